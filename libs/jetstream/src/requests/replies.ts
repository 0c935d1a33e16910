import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { lastToken } from '../subject.js';

type Listener = (error: Error | null, message: Msg) => void;

/** Where the replies to requests arrive: one subscription for all, since one each would cost more than the request. */
export class Replies {
  private readonly waiting = new Map<string, Listener>();
  private asked = 0;

  constructor(
    nc: NatsConnection,
    private readonly inbox: string,
    /** Told when nothing will arrive here any more: the subscription was refused, and the client has closed it. */
    refused: () => void = () => undefined,
  ) {
    nc.subscribe(`${inbox}.*`, {
      callback: (error, message) => {
        if (error) {
          refused();
          for (const listener of [...this.waiting.values()]) listener(error, message);
        } else this.waiting.get(lastToken(message.subject))?.(null, message);
      },
    });
  }

  /** How many requests wait for a reply. */
  get outstanding(): number {
    return this.waiting.size;
  }

  /** Hands every reply that is sent to `address` to the listener, which must not throw, until `forget` is called. */
  expect(listener: Listener): { address: string; forget: () => void } {
    const token = (this.asked++).toString(36);
    this.waiting.set(token, listener);
    return { address: `${this.inbox}.${token}`, forget: () => this.waiting.delete(token) };
  }
}
