/** What nats-server does that the transport relies on. A failure here means: read the README's facts again. */
import {
  AckPolicy,
  jetstream,
  jetstreamManager,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
} from '@nats-io/jetstream';
import { headers } from '@nats-io/transport-node';
import { eventually } from '@pavane/testing';
import { Broker } from '../testing/broker.js';

let broker: Broker;
let js: JetStreamClient;
let jsm: JetStreamManager;
beforeEach(async () => {
  broker = await Broker.start();
  js = jetstream(broker.nc);
  jsm = await jetstreamManager(broker.nc);
  await jsm.streams.add({ name: 'S', subjects: ['s.*'], retention: 'interest' });
});
afterEach(() => broker[Symbol.asyncDispose]());

const durable = (durable_name: string, over = {}) =>
  jsm.consumers.add('S', { durable_name, filter_subject: 's.a', ack_policy: AckPolicy.Explicit, ...over });
const next = async (name: string) => (await (await js.consumers.get('S', name)).next({ expires: 1_000 })) as JsMsg;
const stored = async () => (await jsm.streams.info('S')).state.messages;

describe('an interest stream', () => {
  it('acknowledges a publish nobody is interested in, and does not store it', async () => {
    await durable('one');
    expect((await js.publish('s.b', '')).stream).toBe('S');
    expect(await stored()).toBe(0);
  });

  it('forgets a message once every interested consumer has acked it', async () => {
    await durable('one');
    await durable('two');
    await js.publish('s.a', '');
    await (await next('one')).ackAck();
    expect(await stored()).toBe(1);
    await (await next('two')).ackAck();
    expect(await stored()).toBe(0);
  });

  it('knows a message id as a duplicate although the message was never stored', async () => {
    await js.publish('s.a', '', { msgID: 'one' });
    await durable('one');
    expect((await js.publish('s.a', '', { msgID: 'one' })).duplicate).toBe(true);
    expect(await stored()).toBe(0);
  });

  it('refuses a publish with 10077 when it is full and discards new ones', async () => {
    await jsm.streams.update('S', { max_msgs: 1, discard: 'new' });
    await durable('one');
    await js.publish('s.a', '');
    await expect(js.publish('s.a', '')).rejects.toMatchObject({ code: 10077 });
  });
});

describe('a pull consumer', () => {
  it('gets a message again after the delay of its nak, with the delivery counted', async () => {
    await durable('one', { ack_wait: 60e9 });
    await js.publish('s.a', '');
    const first = await next('one');
    const at = performance.now();
    first.nak(300);
    const second = await next('one');
    expect(performance.now() - at).toBeGreaterThanOrEqual(290);
    expect(second.info.deliveryCount).toBe(2);
  });

  it('gives a message that was handed back with nak to the next who asks, at once', async () => {
    await durable('one', { ack_wait: 60e9 });
    await js.publish('s.a', '');
    (await next('one')).nak();
    expect((await next('one')).info.deliveryCount).toBe(2);
  });

  it('keeps a message beyond ack_wait while it is reported to be worked on', async () => {
    await durable('one', { ack_wait: 300e6 });
    await js.publish('s.a', '');
    const message = await next('one');
    const alive = setInterval(() => message.working(), 100);
    expect(await next('one')).toBeNull();
    clearInterval(alive);
    expect((await next('one')).info.deliveryCount).toBe(2);
  });

  it('never sees a message again that was terminated, and the broker confirms it', async () => {
    await durable('one', { ack_wait: 300e6 });
    await js.publish('s.a', '');
    const message = (await next('one')) as JsMsg & { reply: string };
    await broker.nc.request(message.reply, '+TERM it is poison', { timeout: 1_000 });
    expect(await stored()).toBe(0);
    expect(await next('one')).toBeNull();
  });

  it('lets messages parked by a nak keep their place in max_ack_pending', async () => {
    await durable('one', { max_ack_pending: 1, ack_wait: 60e9 });
    await js.publish('s.a', 'poison');
    await js.publish('s.a', 'good');
    (await next('one')).nak(5_000);
    expect(await next('one')).toBeNull();
  });

  it('strands a message in silence when max_deliver is used up', async () => {
    await durable('one', { max_deliver: 1, ack_wait: 60e9 });
    await js.publish('s.a', '');
    (await next('one')).nak();
    expect(await next('one')).toBeNull();
    expect(await stored()).toBe(1);
    await eventually(async () =>
      expect(await jsm.consumers.info('S', 'one')).toMatchObject({ num_pending: 0, num_ack_pending: 0 }),
    );
  });

  it('loses what it has not handled when it is deleted', async () => {
    await durable('one');
    await js.publish('s.a', '');
    await jsm.consumers.delete('S', 'one');
    await eventually(async () => expect(await stored()).toBe(0));
  });
});

describe('a stream of dead letters', () => {
  it('stores a copy once, however often it is sent under one message id', async () => {
    await jsm.streams.add({ name: 'D', subjects: ['dlq.>'] });
    const copy = () => js.publish('dlq.one.s.a', 'body', { msgID: 'id:one', headers: headers() });
    expect((await copy()).duplicate).toBe(false);
    expect((await copy()).duplicate).toBe(true);
    expect((await jsm.streams.info('D')).state.messages).toBe(1);
  });
});
