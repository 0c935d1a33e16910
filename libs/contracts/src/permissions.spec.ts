import { brokerUsers, durables, heardBy, permissions, saidBy, SERVICES, type Service, topology } from './index.js';

/** Whether a subject is covered by a pattern, wildcards of the subject itself included. */
const covers = (pattern: string, subject: string): boolean => {
  const [asked, wanted] = [subject.split('.'), pattern.split('.')];
  const rest = wanted.indexOf('>');
  if (rest >= 0 ? asked.length <= rest : asked.length !== wanted.length) return false;
  return wanted.every((token, i) => token === '>' || (token === '*' && asked[i] !== '>') || token === asked[i]);
};
const may = (service: Service, subject: string) => permissions(service).publish.some((p) => covers(p, subject));

describe.each(SERVICES)('the permissions of %s', (service) => {
  it('let it say exactly the events that the table lets it say', () => {
    const events = SERVICES.flatMap(saidBy).map((type) => type);
    for (const type of events.filter((said) => said !== 'timers.deadline'))
      expect([type, may(service, `${type}.o1`)]).toEqual([type, saidBy(service).includes(type)]);
    // A deadline is said as a schedule; nobody but the broker says that it has passed.
    expect(may(service, 'timers.schedule.o1')).toBe(saidBy(service).includes('timers.deadline'));
    expect(may(service, 'timers.deadline.o1')).toBe(false);
  });

  it.each(durables)('let it work off $durable only if that is its own', ({ stream, durable, service: owner }) => {
    for (const subject of [
      `$JS.API.CONSUMER.INFO.${stream}.${durable}`,
      `$JS.API.CONSUMER.MSG.NEXT.${stream}.${durable}`,
      `$JS.ACK.${stream}.${durable}.1.1.1.1.0`,
      `$JS.ACK._.hash.${stream}.${durable}.1.1.1.1.0.token`,
      `dlq.${durable}.orders.created.o1`,
      `parked.wait.${stream}.${durable}.o1.7`,
      `$JS.API.CONSUMER.MSG.NEXT.PARKED.${stream}_${durable}`,
      `$JS.ACK.PARKED.${stream}_${durable}.1.1.1.1.0`,
      `$KV.attempts.${stream}.${durable}.7`,
      `$JS.API.DIRECT.GET.KV_attempts.$KV.attempts.${stream}.${durable}.7`,
    ])
      expect([subject, may(service, subject)]).toEqual([subject, owner === service]);
  });

  it('let it neither set a flag nor change what NATS holds', () => {
    for (const subject of ['$KV.flags.orders.intake', '$JS.API.STREAM.PURGE.KV_flags', '$JS.API.INFO', '_INBOX_x.a'])
      expect([subject, may(service, subject)]).toEqual([subject, false]);
    for (const { config } of topology().streams)
      for (const call of ['CREATE', 'UPDATE', 'DELETE', 'PURGE', 'MSG.DELETE', 'MSG.GET'])
        expect(may(service, `$JS.API.STREAM.${call}.${config.name}`)).toBe(false);
  });

  it('let it hear nothing but the replies to its own requests, and what is parked for its own durables', () => {
    const own = durables.filter(({ service: owner }) => owner === service);
    expect(permissions(service).subscribe).toEqual([
      `_INBOX_${service}.>`,
      ...own.map(({ stream, durable }) => `parked.wait.${stream}.${durable}.>`),
    ]);
  });

  it('let it bring nothing back from the waiting room before its time', () => {
    for (const { stream, durable } of durables)
      expect(may(service, `parked.due.${stream}.${durable}.o1.7`)).toBe(false);
  });

  it('name every durable in full: no wildcard stands for one', () => {
    for (const subject of permissions(service).publish.filter((s) => s.includes('CONSUMER.') && !s.includes('KV_')))
      expect(subject).not.toMatch(/[*>]/);
    expect(permissions(service).publish.filter((s) => s.includes('MSG.NEXT'))).toHaveLength(
      2 * heardBy(service).length,
    );
  });
});

it('every service is a user of the broker, and the operator may do everything', () => {
  expect(Object.keys(brokerUsers())).toEqual([...SERVICES, 'operator']);
  expect(brokerUsers().operator).toEqual({ publish: ['>'], subscribe: ['>'] });
});
