import { errors, type MsgHdrs } from '@nats-io/transport-node';
import { Unprocessable } from '../errors.js';
import { lastToken } from '../subject.js';
import { isUuidV7 } from './uuid.js';

/** The attributes of a CloudEvents 1.0 event, carried as NATS headers (binary mode). */
export interface CloudEvent {
  /** UUIDv7; the same event said twice has the same id. */
  id: string;
  /** e.g. `orders.created.v1` */
  type: string;
  source: string;
  /** The key of the event (the order id), also the last token of the NATS subject. */
  subject: string;
  /** RFC 3339 */
  time: string;
  traceparent?: string;
  tracestate?: string;
}

/** What a durable expects of an event besides being well formed. */
export interface Expected {
  /** The durable's filter: when it ends in a wildcard, the last token of a message's subject is the event's key. */
  subject: string;
  type?: string;
  /** By `ce-type`, earlier versions that are heard as well. */
  earlier?: Readonly<Record<string, unknown>>;
  source?: string;
}

/** Printable ASCII without the colon, as in HTTP. */
const NAME = /^[!-9;-~]+$/;
const LINE_END = /[\r\n]/;
const RFC_3339 = /^(\d{4}-\d{2})-(\d{2})T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/i;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The NATS headers of an event. */
export function toHeaders(event: CloudEvent): Record<string, string> {
  return {
    'ce-specversion': '1.0',
    'ce-id': event.id,
    'ce-type': event.type,
    'ce-source': event.source,
    'ce-subject': event.subject,
    'ce-time': event.time,
    'content-type': 'application/json',
    ...(event.traceparent ? { traceparent: event.traceparent } : {}),
    ...(event.tracestate ? { tracestate: event.tracestate } : {}),
  };
}

/** The event in a message's headers. Throws `Unprocessable` naming the attribute that is missing or wrong. */
export function decodeEvent(subject: string, headers: Record<string, string>, expected: Expected): CloudEvent {
  const must = (name: string, holds: (value: string) => boolean, rule: string): string => {
    const value = headers[name] ?? '';
    if (!holds(value)) throw junk(subject, `${name} is ${quote(value)} but must be ${rule}`);
    return value;
  };
  const { traceparent, tracestate } = headers;
  const equals = (wanted: string) => (value: string) => value === wanted;
  const given = (value: string) => value !== '';
  const { type, earlier = {} } = expected;
  // A timer fires into one subject for all keys, so there the subject says nothing about the key.
  const key = /[*>]$/.test(expected.subject) ? lastToken(subject) : undefined;
  must('ce-specversion', equals('1.0'), "'1.0'");
  return {
    id: must('ce-id', isUuidV7, 'a UUID of version 7'),
    type: must(
      'ce-type',
      type ? (value) => value === type || Object.hasOwn(earlier, value) : given,
      type ? [type, ...Object.keys(earlier)].map((one) => `'${one}'`).join(' or ') : 'given',
    ),
    source: must(
      'ce-source',
      expected.source ? equals(expected.source) : given,
      expected.source ? `'${expected.source}'` : 'given',
    ),
    subject: must('ce-subject', key ? equals(key) : given, key ? `'${key}', the last token of the subject` : 'given'),
    time: must('ce-time', isTime, 'a time as in RFC 3339'),
    ...(traceparent ? { traceparent } : {}),
    ...(tracestate ? { tracestate } : {}),
  };
}

/** The JSON object in a message's body. Throws `Unprocessable` when it is anything else. */
export function decodeBody(message: { subject: string; data: Uint8Array }): Record<string, unknown> {
  let body: unknown;
  try {
    body = JSON.parse(utf8.decode(message.data));
  } catch (cause) {
    throw junk(message.subject, 'its body is not JSON in UTF-8', cause);
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw junk(message.subject, 'its body is JSON but not an object');
  }
  return body as Record<string, unknown>;
}

/**
 * Headers as the client's `publish` takes them, written out here: its own collection checks and looks up each name anew,
 * which takes four times as long. Throws an `InvalidArgumentError` for what no header can hold.
 */
export function toMsgHdrs(record: Record<string, string>): MsgHdrs {
  let text = 'NATS/1.0\r\n';
  for (const [name, value] of Object.entries(record)) {
    if (!NAME.test(name)) throw new errors.InvalidArgumentError(`'${name}' is no name of a header`);
    if (LINE_END.test(value))
      throw new errors.InvalidArgumentError(`header '${name}': values cannot contain \\r or \\n`);
    text += `${name}: ${value}\r\n`;
  }
  const encoded = Buffer.from(`${text}\r\n`);
  // All that publish asks of it.
  return { encode: () => encoded } as unknown as MsgHdrs;
}

/** The first value of each header. */
export function fromMsgHdrs(from: MsgHdrs | undefined): Record<string, string> {
  const record: Record<string, string> = {};
  for (const [name, [value = '']] of from ?? []) record[name] = value;
  return record;
}

function isTime(text: string): boolean {
  const [, month, day] = RFC_3339.exec(text) ?? [];
  // `Date.parse` takes the 30th of February for the 2nd of March.
  return month !== undefined && !Number.isNaN(Date.parse(text)) && Number(day) <= daysIn(month);
}

function daysIn(month: string): number {
  const next = new Date(`${month}-01T00:00:00Z`);
  next.setUTCMonth(next.getUTCMonth() + 1, 0);
  return next.getUTCDate();
}

function junk(subject: string, what: string, cause?: unknown): Unprocessable {
  return new Unprocessable(
    `The envelope of a message on '${subject}' is not valid: ${what}. Correct the publisher, then replay the dead letter.`,
    { cause },
  );
}

function quote(value: string): string {
  return value === '' ? 'missing' : `'${value.slice(0, 80)}'`;
}
