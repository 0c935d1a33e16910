import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { headers as newHeaders, type NatsConnection } from '@nats-io/transport-node';
import { DEAD_LETTER, replayOf } from '@pavane/jetstream';

const STREAM = 'DLQ';

/** A dead letter, as `npm run dlq` shows it. */
export interface Letter {
  /** Its place in the DLQ stream; names it in every command. */
  seq: number;
  durable: string;
  /** Where the original was published, e.g. `orders.created.<orderId>`. */
  subject: string;
  event: string;
  orderId: string;
  reason: string;
  code: string;
  attempts: number;
  failedAt: Date;
  headers: Record<string, string>;
  data: Uint8Array;
  /** As it stands in the stream. */
  stored: string;
}

/** Which letters are meant; what is not given matches all. */
export interface Filter {
  seqs?: readonly number[];
  durable?: string;
  /** e.g. `orders.created` */
  event?: string;
  orderId?: string;
  /** Part of the reason or the code, whatever its case. */
  reason?: string;
  /** Only letters at least so old, in milliseconds. */
  olderThanMs?: number;
}

/** The letters that match, oldest first. */
export async function findLetters(nc: NatsConnection, filter: Filter, now = new Date()): Promise<Letter[]> {
  const jsm = await jetstreamManager(nc);
  const { state } = await jsm.streams.info(STREAM);
  if (state.messages === 0) return [];
  const [domain, event] = filter.event?.split('.') ?? [];
  const subject = ['dlq', filter.durable ?? '*', domain ?? '*', event ?? '*', filter.orderId ?? '*'].join('.');
  const consumer = await jetstream(nc).consumers.get(STREAM, { filter_subjects: [subject] });
  let left = (await consumer.info()).num_pending;
  const letters: Letter[] = [];
  while (left > 0) {
    const batch = await consumer.fetch({ max_messages: Math.min(left, 500), expires: 5000 });
    let got = 0;
    for await (const message of batch) {
      got++;
      const headers = Object.fromEntries(
        message.headers?.keys().map((name) => [name, message.headers!.get(name)]) ?? [],
      );
      letters.push(letterOf(message.seq, message.subject, headers, message.data));
    }
    if (got === 0) break;
    left -= got;
  }
  return letters.filter((letter) => matches(letter, filter, now));
}

function letterOf(seq: number, stored: string, headers: Record<string, string>, data: Uint8Array): Letter {
  const [, durable = '', domain = '', event = '', ...rest] = stored.split('.');
  return {
    seq,
    durable,
    subject: [domain, event, ...rest].join('.'),
    event: `${domain}.${event}`,
    orderId: rest.join('.'),
    reason: headers[DEAD_LETTER.reason] ?? '',
    code: headers[DEAD_LETTER.code] ?? '',
    attempts: Number(headers[DEAD_LETTER.attempts] ?? 0),
    failedAt: new Date(headers[DEAD_LETTER.failedAt] ?? 0),
    headers,
    data,
    stored,
  };
}

function matches({ seq, reason, code, failedAt }: Letter, filter: Filter, now: Date): boolean {
  if (filter.seqs && !filter.seqs.includes(seq)) return false;
  if (filter.reason && !`${reason} ${code}`.toLowerCase().includes(filter.reason.toLowerCase())) return false;
  return now.getTime() - failedAt.getTime() >= (filter.olderThanMs ?? 0);
}

/**
 * Gives a letter to the durable that failed, and to no other, then takes it out of the DLQ. The letter goes only when the
 * stream has the message: a crash in between leaves both, and the durable's inbox tells the second one apart.
 */
export async function replayLetter(nc: NatsConnection, letter: Letter): Promise<void> {
  const { subject, id, headers, data } = replayOf(
    { headers: letter.headers, subject: letter.stored, data: letter.data },
    letter.seq,
  );
  const sent = newHeaders();
  for (const [name, value] of Object.entries(headers)) sent.set(name, value);
  await jetstream(nc).publish(subject, data, { msgID: id, headers: sent });
  await discardLetter(nc, letter);
}

/** Removes a letter for good. */
export async function discardLetter(nc: NatsConnection, { seq }: Letter): Promise<void> {
  await (await jetstreamManager(nc)).streams.deleteMessage(STREAM, seq, false);
}
