import { ceType, durables, type EventType, events } from '@pavane/contracts';
import type { Random } from '../random.js';
import { type Copy, eventOf, freshId, freshIds } from './copies.js';

const DAY_MS = 86_400_000;
/** Below the largest message the broker takes (1 MB), also when a dead letter has added its reason to it. */
const OVERSIZED = 900_000;
/** So many bytes below the largest message that there is no room for any reason. */
const BRIM = 1_048_576 - 16;

/** Ways to spoil a message of the saga: nobody who hears it can handle it, and nobody may be harmed by it. */
const DAMAGES: Record<string, (copy: Copy, random: Random) => Partial<Copy>> = {
  'malformed JSON': ({ data }) => ({ data: data.slice(0, -1) }),
  'JSON that is no object': () => text('[1, 2]'),
  'no body': () => text(''),
  'an unknown field of 900 kB': (copy) => text(JSON.stringify({ ...bodyOf(copy), more: 'x'.repeat(OVERSIZED) })),
  'as many bytes as the broker takes': (copy) => ({ data: Buffer.alloc(BRIM - headersLength(copy), 'x') }),
  'a version before the first': ({ headers }) => header('ce-type', headers['ce-type']!.replace(/\d+$/, '0')),
  'an unknown type': () => header('ce-type', 'orders.exploded.v1'),
  'the type of another event': ({ headers }) => {
    const other = (Object.keys(events) as EventType[]).map(ceType).find((type) => type !== headers['ce-type'])!;
    return header('ce-type', other);
  },
  'a foreign source': () => header('ce-source', 'mallory'),
  'another order in its header': (_, random) => header('ce-subject', freshId(random)),
  'a time that is none': () => header('ce-time', 'soon'),
  'an unknown specification': () => header('ce-specversion', '9'),
  'an id that is no UUID': ({ headers }) => header('ce-id', `no-uuid-${headers['ce-id']}`),
  'an id older than the inbox remembers': (_, random) => header('ce-id', freshId(random, Date.now() - 8 * DAY_MS)),
  'no headers': () => ({ headers: {} }),
  'an order id that is no UUID': ({ subject }) => ({
    subject: subject.replace(/[^.]+$/, 'no-order-id'),
    ...header('ce-subject', 'no-order-id'),
  }),
};

export const KINDS_OF_DAMAGE: readonly string[] = Object.keys(DAMAGES);

/** A spoilt copy of a message of the saga, under ids of its own, and the durables that will hear it. */
export function spoilt(kind: string, copy: Copy, random: Random): { copy: Copy; heardBy: string[] } {
  const original: Copy = { ...copy, headers: { ...copy.headers, ...freshIds(random) } };
  const { headers, ...rest } = DAMAGES[kind]!(original, random);
  const whole = kind === 'no headers' ? {} : { ...original.headers, ...headers };
  return {
    copy: { ...original, ...rest, headers: whole },
    heardBy: durables.filter(({ event }) => event === eventOf(copy)).map(({ durable }) => durable),
  };
}

const text = (data: string): Partial<Copy> => ({ data: Buffer.from(data) });
const header = (name: string, value: string): Partial<Copy> => ({ headers: { [name]: value } });
const bodyOf = ({ data }: Copy): object => JSON.parse(Buffer.from(data).toString()) as object;

/** As the broker counts them: a version line, and a line for each header. */
const headersLength = ({ headers }: Copy): number =>
  'NATS/1.0\r\n\r\n'.length +
  Object.entries(headers).reduce((sum, [name, value]) => sum + `${name}: ${value}\r\n`.length, 0);
