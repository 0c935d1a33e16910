import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { Replies } from './replies.js';

type Callback = (error: Error | null, message: Msg) => void;

function replies(refused?: () => void) {
  let arrive!: Callback;
  const nc = { subscribe: (_: string, { callback }: { callback: Callback }) => void (arrive = callback) };
  return {
    replies: new Replies(nc as unknown as NatsConnection, '_INBOX.a', refused),
    arrive: (subject: string, error: Error | null = null) => arrive(error, { subject } as Msg),
  };
}

describe('replies', () => {
  it('go to whoever asked, until that is forgotten', () => {
    const { replies: all, arrive } = replies();
    const heard: string[] = [];
    const [one, two] = ['one', 'two'].map((name) => all.expect(() => heard.push(name)));
    expect(one!.address).not.toBe(two!.address);
    arrive(two!.address);
    arrive(one!.address);
    two!.forget();
    arrive(two!.address);
    arrive('_INBOX.a.unknown');
    expect(heard).toEqual(['two', 'one']);
    expect(all.outstanding).toBe(1);
  });

  it('end when the broker refuses their subject: all who wait are told, and the owner', () => {
    let refusals = 0;
    const { replies: all, arrive } = replies(() => refusals++);
    const heard: (Error | null)[] = [];
    const waiting = [1, 2].map(() =>
      all.expect((error) => {
        heard.push(error);
        waiting.forEach(({ forget }) => forget());
      }),
    );
    const no = new Error('no');
    arrive('', no);
    expect([heard, refusals]).toEqual([[no, no], 1]);
  });
});
