import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { PARKED } from '@pavane/jetstream';

const STREAM = 'PARKED';

/** A message in the waiting room, as `npm run dlq -- waiting` shows it. */
export interface Waiting {
  durable: string;
  /** Where it was published, e.g. `orders.created.<orderId>`. */
  subject: string;
  orderId: string;
  /** How often it was parked, this time included. */
  times: number;
  reason: string;
  /** When its stream stored it. */
  storedAt: Date;
  /** When it goes back; undefined when its time has come and its durable has not acknowledged it yet. */
  dueAt: Date | undefined;
}

/** The messages that wait, soonest first. */
export async function findWaiting(
  nc: NatsConnection,
  { durable = '*', orderId = '*' }: { durable?: string; orderId?: string } = {},
): Promise<Waiting[]> {
  const jsm = await jetstreamManager(nc);
  const filter = `parked.*.*.${durable}.${orderId}.*`;
  const { state } = await jsm.streams.info(STREAM, { subjects_filter: filter });
  const found: Waiting[] = [];
  for (const place of Object.keys(state.subjects ?? {})) {
    const stored = await jsm.streams.getMessage(STREAM, { last_by_subj: place });
    // It may have gone back meanwhile.
    if (!stored) continue;
    const header = (name: string) => stored.header.get(name);
    const subject = header(PARKED.subject);
    const schedule = header('Nats-Schedule').replace('@at ', '');
    found.push({
      durable: place.split('.')[3]!,
      subject,
      orderId: subject.split('.').slice(2).join('.'),
      times: Number(header(PARKED.times)),
      reason: header(PARKED.reason),
      storedAt: new Date(header(PARKED.storedAt)),
      dueAt: schedule ? new Date(schedule) : undefined,
    });
  }
  return found.toSorted((a, b) => (a.dueAt?.getTime() ?? 0) - (b.dueAt?.getTime() ?? 0));
}
