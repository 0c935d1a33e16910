import type { Msg, NatsConnection } from '@nats-io/transport-node';
import type { JetStreamConnection } from '../connection/connection.js';
import { PublishRejected, RetryLater } from '../errors.js';
import { JetStreamPublisher } from './publisher.js';
import { Replies } from '../requests/replies.js';

/** A publisher whose stream refuses everything in this way. */
function refusedWith(code: number, err_code: number): JetStreamPublisher {
  const error = { code, err_code, description: 'no' };
  let answer: (error: null, message: Pick<Msg, 'subject' | 'data' | 'json'>) => void;
  const nc = {
    subscribe: (_inbox: string, { callback }: { callback: typeof answer }) => (answer = callback),
    publish: (_subject: string, _data: string, { reply }: { reply: string }) =>
      answer(null, { subject: reply, data: new Uint8Array(1), json: <T>() => ({ error }) as T }),
  } as unknown as NatsConnection;
  return new JetStreamPublisher({
    isConnected: true,
    on: () => () => undefined,
    nc,
    replies: new Replies(nc, '_INBOX'),
  } as unknown as JetStreamConnection);
}

const message = { subject: 'orders.created.1', id: '1', headers: {}, data: '{}' };

describe('a refusal by the stream', () => {
  it.each([
    ['the stream is full', 503, 10077],
    ['the stream cannot store', 500, 10076],
    ['the account has used up its storage', 400, 10002],
    ['an earlier try of the same id is in process in the cluster', 409, 10158],
    ['too much waits to be stored', 429, 10167],
  ])('passes when %s', async (_, status, code) => {
    await expect(refusedWith(status, code).publish(message)).rejects.toBeInstanceOf(RetryLater);
  });

  it.each([
    ['the message is too large', 400, 10054],
    ['the schedule it carries makes no sense', 400, 10189],
  ])('is final when %s', async (_, status, code) => {
    await expect(refusedWith(status, code).publish(message)).rejects.toBeInstanceOf(PublishRejected);
  });
});
