import { connect } from '@nats-io/transport-node';
import { eventually } from '@pavane/testing';
import { firstValueFrom } from 'rxjs';
import { DEAD_LETTER } from '../failures/dead-letter.js';
import { RetryLater, Unprocessable } from '../errors.js';
import { Broker } from '../testing/broker.js';
import { CREATED, durablesOf, on } from '../testing/handlers.js';
import { Service } from '../testing/service.js';

/** What the README says a service has to be granted, for a durable and the subjects it publishes. */
const publish = [
  'orders.>',
  ...['SAGA', 'PARKED', 'DLQ', 'KV_attempts'].map((stream) => `$JS.API.STREAM.INFO.${stream}`),
  `dlq.${CREATED.durable}.>`,
  ...[`SAGA.${CREATED.durable}`, `PARKED.SAGA_${CREATED.durable}`].flatMap((durable) => [
    `$JS.API.CONSUMER.INFO.${durable}`,
    `$JS.API.CONSUMER.MSG.NEXT.${durable}`,
    `$JS.ACK.${durable}.>`,
    `$JS.ACK.*.*.${durable}.>`,
  ]),
  `parked.wait.SAGA.${CREATED.durable}.>`,
  `$JS.API.DIRECT.GET.KV_attempts.$KV.attempts.SAGA.${CREATED.durable}.>`,
  `$KV.attempts.SAGA.${CREATED.durable}.>`,
];
const config = `
  authorization {
    users: [
      { user: root, password: root }
      { user: payment, password: payment, permissions: {
          publish: ${JSON.stringify(publish)}
          subscribe: ["_INBOX_payment.>", "parked.wait.SAGA.${CREATED.durable}.>", "stock.>"]
      } }
      { user: mallory, password: mallory, permissions: {
          publish: ["$JS.API.CONSUMER.INFO.SAGA.mallory", "inventory.*.*"]
          subscribe: ["_INBOX_mallory.>"]
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
          if (time === 2) throw new Error('fails');
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

it('a service that the broker does not let in says so, and goes on trying', async () => {
  await using broker = await Broker.start({ config });
  await using service = await Service.start(broker.server.url, [], {
    connection: { servers: broker.server.url, user: 'payment', pass: 'guessed' },
  });
  await eventually(() => expect(service.health.check().problems.join()).toMatch(/Authorization Violation.*NATS_URL/));
  expect(service.connection.isConnected).toBe(false);
});

describe('a message that is smuggled in as the reply to something that is permitted', () => {
  it.each([
    ['a question about a consumer', '$JS.API.CONSUMER.INFO.SAGA.mallory'],
    ['an event, for its PubAck', 'inventory.reserved.o1'],
  ])('by %s is never handled', async (_, asked) => {
    await using broker = await Broker.start({ config });
    await broker.provision(
      { ...durablesOf(CREATED), mallory: 'orders.cancelled.*', heard: 'inventory.*.*' },
      undefined,
      {
        subjects: ['orders.>', 'inventory.>'],
      },
    );
    const handled: string[] = [];
    const hears = { ...CREATED, type: 'orders.created.v1' };
    await using service = await Service.start(broker.server.url, [
      on(hears, (__, { event }) => handled.push(event.subject)),
    ]);
    await service.connection.ready();
    const mallory = await connect({ servers: broker.server.url, user: 'mallory', pass: 'mallory' });
    mallory.publish(asked, '{}', { reply: 'orders.created.smuggled' });
    await mallory.flush();
    await mallory.close();
    await eventually(async () =>
      expect((await broker.deadLetters()).map(({ subject }) => subject)).toEqual([
        `dlq.${CREATED.durable}.orders.created.smuggled`,
      ]),
    );
    expect((await broker.deadLetters())[0]!.headers[DEAD_LETTER.reason]).toMatch(/ce-/);
    await broker.publish('orders.created.honest');
    await eventually(() => expect(handled).toEqual(['honest']));
  });
});
