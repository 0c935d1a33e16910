import { eventually } from '@pavane/testing';
import { firstValueFrom } from 'rxjs';
import { DEAD_LETTER } from './dead-letter.js';
import { RetryLater, Unprocessable } from './errors.js';
import { Broker } from './testing/broker.js';
import { CREATED, durablesOf, on } from './testing/handlers.js';
import { Service } from './testing/service.js';

/** What the README says a service has to be granted, for a durable and the subjects it publishes. */
const publish = [
  'orders.>',
  `dlq.${CREATED.durable}.>`,
  `$JS.API.CONSUMER.INFO.SAGA.${CREATED.durable}`,
  `$JS.API.CONSUMER.MSG.NEXT.SAGA.${CREATED.durable}`,
  `$JS.ACK.SAGA.${CREATED.durable}.>`,
  `$JS.ACK.*.*.SAGA.${CREATED.durable}.>`,
  `$JS.API.DIRECT.GET.KV_attempts.$KV.attempts.${CREATED.durable}.>`,
  `$KV.attempts.${CREATED.durable}.>`,
];
const config = `
  authorization {
    users: [
      { user: root, password: root }
      { user: payment, password: payment, permissions: {
          publish: ${JSON.stringify(publish)}
          subscribe: ["_INBOX_payment.>", "stock.>"]
      } }
    ]
  }
  no_auth_user: root`;

describe('a service that is granted nothing but what the README lists', () => {
  it('consumes, publishes, handles suspects and makes dead letters', async () => {
    await using broker = await Broker.start({ config });
    await broker.provision(durablesOf(CREATED));
    const violations: string[] = [];
    const starts = new Map<string, number>();
    await using service = await Service.start(
      broker.server.url,
      [
        on(CREATED, (_, { event }) => {
          const time = (starts.get(event.subject) ?? 0) + 1;
          starts.set(event.subject, time);
          if (event.subject === 'poison') throw new Unprocessable('poison');
          if (time < 4) throw new RetryLater('away');
        }),
      ],
      {
        maxAttempts: 1,
        connection: { servers: broker.server.url, user: 'payment', pass: 'payment', inboxPrefix: '_INBOX_payment' },
        backoff: { away: { firstMs: 10, maxMs: 10 } },
      },
    );
    await service.connection.ready();
    void (async () => {
      for await (const status of service.connection.nc.status())
        if (status.type === 'error') violations.push(status.error.message);
    })();
    await firstValueFrom(service.client.emit('orders.created.o1', {}));
    await firstValueFrom(service.client.emit('orders.created.poison', {}));
    await eventually(async () => expect(await broker.stored()).toBe(0));
    expect(starts).toEqual(
      new Map([
        ['o1', 4],
        ['poison', 1],
      ]),
    );
    expect((await broker.deadLetters()).map(({ headers }) => headers[DEAD_LETTER.reason])).toEqual(['poison']);
    expect(violations).toEqual([]);
  });
});
