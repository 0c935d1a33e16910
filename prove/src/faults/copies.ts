import { jetstream } from '@nats-io/jetstream';
import { type MsgHdrs, headers as newHeaders, type Subscription } from '@nats-io/transport-node';
import { events } from '@pavane/contracts';
import { v7 as uuidv7 } from 'uuid';
import type { Random } from '../random.js';
import type { Scene } from '../scene.js';

/** A message as it was published, or as somebody would publish it. */
export interface Copy {
  subject: string;
  headers: Record<string, string>;
  data: Uint8Array;
}

const MSG_ID = 'Nats-Msg-Id';
/** Published at a time; more would only wait in the broker. */
const AT_ONCE = 50;

/** Overhears everything the saga says, timers included, without any stream knowing of it. */
export class Tap {
  /** Everything said so far, each event once, in the order it was said. */
  readonly said: Copy[] = [];
  readonly #ids = new Set<string>();
  readonly #subscriptions: Subscription[];
  #taken = 0;

  private constructor(scene: Scene, nc: Awaited<ReturnType<Scene['nc']>>) {
    const domains = new Set(Object.keys(events).map((type) => type.split('.')[0]!));
    this.#subscriptions = [...domains].map((domain) =>
      nc.subscribe(`${domain}.>`, {
        callback: (error, { subject, headers, data }) => {
          const id = headers?.get('ce-id');
          if (error || !headers || !id || this.#ids.has(id)) return;
          this.#ids.add(id);
          this.said.push({ subject, headers: plain(headers), data: data.slice() });
        },
      }),
    );
  }

  static async on(scene: Scene): Promise<Tap> {
    const nc = await scene.nc();
    const tap = new Tap(scene, nc);
    await nc.flush();
    return tap;
  }

  /** What was said since the last call. */
  take(): Copy[] {
    const from = this.#taken;
    this.#taken = this.said.length;
    return this.said.slice(from);
  }

  /** Does not hear these, when they are published. */
  ignore(copies: readonly Copy[]): void {
    for (const { headers } of copies) this.#ids.add(headers['ce-id'] ?? '');
  }

  close(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }
}

/** Publishes messages, many at a time. Resolves to how many the stream stored and how many it took for duplicates. */
export async function publish(scene: Scene, copies: readonly Copy[]): Promise<{ stored: number; recognised: number }> {
  const js = jetstream(await scene.nc());
  const counts = { stored: 0, recognised: 0 };
  for (let i = 0; i < copies.length; i += AT_ONCE)
    await Promise.all(
      copies.slice(i, i + AT_ONCE).map(async ({ subject, headers, data }) => {
        const sent = newHeaders();
        for (const [name, value] of Object.entries(headers)) sent.append(name, value);
        const { duplicate } = await js.publish(subject, data, { headers: sent });
        counts[duplicate ? 'recognised' : 'stored']++;
      }),
    );
  return counts;
}

/** Which event it is, whatever its headers say: `orders.created`. */
export const eventOf = ({ subject }: Pick<Copy, 'subject'>): string => subject.split('.').slice(0, 2).join('.');

/** The same event under a message id no stream has seen, so that it is stored again. */
export const underNewId = (copy: Copy, random: Random): Copy => ({
  ...copy,
  headers: { ...copy.headers, [MSG_ID]: random.uuid() },
});

/** What an event says, said as another event about another order. */
export const saidOf = (copy: Copy, orderId: string, random: Random): Copy => ({
  subject: copy.subject.replace(/[^.]+$/, orderId),
  headers: { ...copy.headers, ...freshIds(random), 'ce-subject': orderId },
  data: copy.data,
});

/** The ids of an event that nobody has said before. */
export function freshIds(random: Random): Record<string, string> {
  const id = freshId(random);
  return { 'ce-id': id, [MSG_ID]: id };
}

/** An id as a service gives it, of now or of another time. */
export const freshId = (random: Random, msecs = Date.now()): string =>
  uuidv7({ msecs, random: Uint8Array.from({ length: 16 }, () => random.int(0, 255)) });

/** In an order drawn anew. */
export function shuffled<T>(some: readonly T[], random: Random): T[] {
  const drawn = [...some];
  for (let i = drawn.length - 1; i > 0; i--) {
    const j = random.int(0, i);
    [drawn[i], drawn[j]] = [drawn[j]!, drawn[i]!];
  }
  return drawn;
}

const plain = (headers: MsgHdrs): Record<string, string> =>
  Object.fromEntries(headers.keys().map((name) => [name, headers.get(name)]));
