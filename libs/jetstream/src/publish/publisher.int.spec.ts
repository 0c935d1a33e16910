import { jetstreamManager } from '@nats-io/jetstream';
import { eventually } from '@pavane/testing';
import { JetStreamConnection } from '../connection/connection.js';
import { JetStreamPublisher } from './publisher.js';
import { Broker } from '../testing/broker.js';

let broker: Broker;
let connection: JetStreamConnection;
let publisher: JetStreamPublisher;
beforeEach(async () => {
  broker = await Broker.start();
  await broker.provision({ listener: 'orders.>' }, {}, { max_bytes: 200_000, discard: 'new', max_msg_size: 50_000 });
  connection = new JetStreamConnection({
    service: 'order',
    connection: { servers: broker.server.url, reconnectTimeWait: 50 },
  });
  await connection.ready();
  publisher = new JetStreamPublisher(connection);
});
afterEach(async () => {
  await connection.drain();
  await broker[Symbol.asyncDispose]();
});

const message = (over: Partial<Parameters<JetStreamPublisher['publish']>[0]> = {}) => ({
  subject: 'orders.created.o1',
  id: 'one',
  headers: {},
  data: '{}',
  ...over,
});

describe('publishing', () => {
  it('resolves with the place in the stream once it is stored, and stores the same id once', async () => {
    expect(await publisher.publish(message())).toEqual({ seq: 1, duplicate: false });
    expect(await publisher.publish(message())).toEqual({ seq: 1, duplicate: true });
    expect(await broker.stored()).toBe(1);
  });

  it('keeps at most so many outstanding as it was told', async () => {
    const narrow = new JetStreamPublisher(connection, 2);
    let most = 0;
    const { nc } = connection;
    const publish = nc.publish.bind(nc);
    nc.publish = (...args) => {
      most = Math.max(most, narrow.outstanding);
      publish(...args);
    };
    await Promise.all(Array.from({ length: 20 }, (_, n) => narrow.publish(message({ id: `m${n}` }))));
    expect(most).toBe(2);
    expect(narrow.outstanding).toBe(0);
    expect(await broker.stored()).toBe(20);
  });
});

describe('what a stream still holds', () => {
  it('is told by subject, until everybody who listens has acknowledged it', async () => {
    const holds = (subject: string) => publisher.holds('SAGA', subject);
    await publisher.publish(message());
    const subjects = ['orders.created.o1', 'orders.created.o2', '*.*.o1', '*.*.o2'];
    expect(await Promise.all(subjects.map(holds))).toEqual([true, false, true, false]);
    const js = (await jetstreamManager(broker.nc)).jetstream();
    const heard = await (await js.consumers.get('SAGA', 'listener')).next();
    await heard!.ackAck();
    await eventually(async () => expect(await holds('orders.created.o1')).toBe(false));
    expect(await holds('*.*.o1')).toBe(false);
  });

  it('cannot be told of a stream that is not there, nor while the broker is away', async () => {
    await expect(publisher.holds('NONE', 'orders.created.o1')).rejects.toMatchObject({ code: 'RETRY_LATER' });
    await connection.drain();
    await expect(publisher.holds('SAGA', 'orders.created.o1')).rejects.toMatchObject({ code: 'RETRY_LATER' });
  });
});

describe('publishing is rejected for good', () => {
  it.each([
    ['what is larger than the broker takes', { data: 'x'.repeat(1_100_000) }, /max_payload size exceeded/],
    ['what is larger than the stream takes', { data: 'x'.repeat(60_000) }, /the stream refuses it: .*\(10054\)/],
    [
      'what expects another stream',
      { headers: { 'Nats-Expected-Stream': 'OTHER' } },
      /the stream refuses it: .*\(10060\)/,
    ],
    ['what has no valid subject', { subject: 'orders.created.with blank' }, /orders.created.with blank/],
    ['what has a line end in a header', { headers: { a: 'b\nc' } }, /values cannot contain/],
  ])('for %s', async (_what, over, text) => {
    await expect(publisher.publish(message(over))).rejects.toMatchObject({
      code: 'PUBLISH_REJECTED',
      message: expect.stringMatching(text) as string,
    });
  });
});

describe('publishing may be tried again', () => {
  it('when the stream is full', async () => {
    const fill = async () => {
      for (let n = 0; n < 10; n++) await publisher.publish(message({ id: `f${n}`, data: 'x'.repeat(40_000) }));
    };
    await expect(fill()).rejects.toMatchObject({
      code: 'RETRY_LATER',
      message: expect.stringMatching(/the stream is full/) as string,
    });
  });

  it('when no stream listens on the subject, saying what to run', async () => {
    await expect(publisher.publish(message({ subject: 'nobody.listens' }))).rejects.toMatchObject({
      code: 'RETRY_LATER',
      message:
        "'nobody.listens' was not published: no stream listens on this subject, or JetStream is starting. If it lasts, run 'npm run topology -- apply'.",
    });
  });

  it('when the broker is away, and works again when it is back', async () => {
    await broker.server.stop();
    await eventually(() => expect(connection.isConnected).toBe(false));
    await expect(publisher.publish(message())).rejects.toMatchObject({ code: 'RETRY_LATER' });
    await broker.server.restart();
    await eventually(async () => expect(await publisher.publish(message())).toMatchObject({ duplicate: false }));
  });

  it('when the broker dies before it answers', async () => {
    await broker.server.pause();
    const publishing = publisher.publish(message());
    publishing.catch(() => undefined);
    await broker.server.stop('SIGKILL');
    await expect(publishing).rejects.toMatchObject({ code: 'RETRY_LATER' });
    await broker.server.restart();
  });

  it('when this client may not publish there', async () => {
    await using guarded = await Broker.start({
      config:
        'authorization { users: [{ user: root, password: r }, { user: app, password: a, permissions: { publish: ["$JS.>"] } }] }\nno_auth_user: root',
    });
    await guarded.provision({ listener: 'orders.>' });
    const app = new JetStreamConnection({
      service: 'app',
      connection: { servers: guarded.server.url, user: 'app', pass: 'a' },
    });
    await app.ready();
    await expect(new JetStreamPublisher(app).publish(message())).rejects.toMatchObject({
      code: 'RETRY_LATER',
      message: expect.stringMatching(/permissions forbid it/) as string,
    });
    await app.drain();
    const jsm = await jetstreamManager(guarded.nc);
    expect((await jsm.streams.info('SAGA')).state.messages).toBe(0);
  });
});
