import { setTimeout as delay } from 'node:timers/promises';
import { connectToNats, NATS_HELP } from './cli/broker.js';
import { main, UsageError } from './cli/command.js';
import { discardLetter, type Filter, findLetters, type Letter, replayLetter } from './dlq/letters.js';
import { findWaiting, type Waiting } from './dlq/waiting.js';

const UNITS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

await main({
  usage: 'npm run dlq -- ls | show SEQ | replay [SEQ…] | discard [SEQ…] | waiting [filters] [--yes] [--json]',
  about:
    'Looks at dead letters, gives them to the durable that failed once more, or discards them; and at the messages in the waiting room, which come back by themselves. Without --yes, replay and discard only say what they would do.',
  options: {
    durable: { type: 'string' },
    event: { type: 'string' },
    order: { type: 'string' },
    reason: { type: 'string' },
    'older-than': { type: 'string' },
    rate: { type: 'string', default: '50' },
    yes: { type: 'boolean' },
    json: { type: 'boolean' },
  },
  help: {
    ls: 'the letters, oldest first',
    'show SEQ': 'one letter with its headers, stack and payload',
    replay: 'publish letters again, for the durable that failed and no other, and take them out of the DLQ',
    discard: 'remove letters for good',
    waiting: 'the messages in the waiting room, soonest first, and why they wait (filters: --durable, --order)',
    '--durable NAME': 'letters of this durable, e.g. payment_orders-created',
    '--event TYPE': 'letters of this event, e.g. orders.created',
    '--order ID': 'letters of this order',
    '--reason TEXT': 'letters whose reason or code contains this',
    '--older-than AGE': 'letters at least so old, e.g. 90s, 15m, 2h, 7d',
    '--rate N': 'letters replayed a second (default 50)',
    '--yes': 'do it',
    '--json': 'print one JSON object as the last line',
    ...NATS_HELP,
  },
  async run({ durable, event, order, reason, 'older-than': age, rate, yes, json }, [action, ...places]) {
    if (!['ls', 'show', 'replay', 'discard', 'waiting'].includes(action ?? ''))
      throw new UsageError('say ls, show, replay, discard or waiting');
    if (action === 'waiting')
      return showWaiting({ ...(durable && { durable }), ...(order && { orderId: order }) }, json);
    const seqs = places.map(Number);
    if (seqs.some((seq) => !Number.isInteger(seq) || seq < 1))
      throw new UsageError(`a letter is named by its number, not "${places.join(' ')}"`);
    if (action === 'show' && seqs.length !== 1) throw new UsageError('show takes one number');
    if (!(Number(rate) > 0)) throw new UsageError(`--rate takes letters a second, not "${rate}"`);
    const filter: Filter = {
      ...(seqs.length > 0 && { seqs }),
      ...(durable && { durable }),
      ...(event && { event }),
      ...(order && { orderId: order }),
      ...(reason && { reason }),
      ...(age && { olderThanMs: ageOf(age) }),
    };
    if (action === 'discard' && Object.keys(filter).length === 0)
      throw new UsageError('discard takes numbers or a filter');
    const nc = await connectToNats();
    try {
      const letters = await findLetters(nc, filter);
      const missing = seqs.filter((seq) => !letters.some((letter) => letter.seq === seq));
      if (missing.length > 0)
        throw new Error(
          `there is no dead letter ${missing.join(', ')} that matches; npm run dlq -- ls shows those there are`,
        );
      const acts = yes && (action === 'replay' || action === 'discard');
      if (acts)
        await each(letters, action === 'replay' ? Number(rate) : Infinity, (letter) =>
          action === 'replay' ? replayLetter(nc, letter) : discardLetter(nc, letter),
        );
      if (json) console.log(JSON.stringify({ action, done: Boolean(acts), letters: letters.map(plain) }));
      else if (action === 'show') console.log(whole(letters[0]!));
      else {
        for (const letter of letters) console.log(line(letter));
        const count = `${letters.length} dead letter${letters.length === 1 ? '' : 's'}`;
        if (action === 'ls') console.log(`  ${count}`);
        else
          console.log(
            acts
              ? `  ${count} ${action === 'replay' ? 'replayed' : 'discarded'}`
              : `  would ${action} ${count}; add --yes to do it`,
          );
      }
      return 0;
    } finally {
      await nc.close();
    }
  },
});

async function showWaiting(filter: { durable?: string; orderId?: string }, json: boolean | undefined): Promise<number> {
  const nc = await connectToNats();
  try {
    const waiting = await findWaiting(nc, filter);
    if (json) console.log(JSON.stringify({ action: 'waiting', waiting }));
    else {
      for (const one of waiting) console.log(waitingLine(one));
      console.log(`  ${waiting.length} message${waiting.length === 1 ? '' : 's'} in the waiting room`);
    }
    return 0;
  } finally {
    await nc.close();
  }
}

function waitingLine({ dueAt, durable, orderId, times, reason }: Waiting): string {
  const when = dueAt ? `back at ${dueAt.toISOString()}` : 'on its way back'.padEnd(32);
  return `  ${when}  ${durable}  ${orderId}  for the ${ordinal(times)} time: ${reason.slice(0, 120)}`;
}

function ordinal(n: number): string {
  const ending = n % 100 > 10 && n % 100 < 14 ? 'th' : (['th', 'st', 'nd', 'rd'][n % 10] ?? 'th');
  return `${n}${ending}`;
}

function ageOf(text: string): number {
  const [, amount, unit] = /^(\d+)([smhd])$/.exec(text) ?? [];
  if (!amount || !unit) throw new UsageError(`--older-than takes an age such as 90s, 15m, 2h or 7d, not "${text}"`);
  return Number(amount) * UNITS[unit]!;
}

/** Does it for one after the other, no faster than the rate, and says how far it is every two seconds. */
async function each(
  letters: readonly Letter[],
  perSecond: number,
  act: (letter: Letter) => Promise<void>,
): Promise<void> {
  const start = performance.now();
  let told = start;
  for (const [i, letter] of letters.entries()) {
    await delay(Math.max(0, start + (i * 1000) / perSecond - performance.now()));
    await act(letter);
    if (performance.now() - told < 2000) continue;
    told = performance.now();
    console.error(`  … ${i + 1} of ${letters.length}`);
  }
}

// Declared, not assigned: the command above runs before anything below it is.
function line({ seq, durable, orderId, reason, code, failedAt }: Letter): string {
  return `  ${String(seq).padStart(6)}  ${failedAt.toISOString()}  ${durable}  ${orderId}  ${code}: ${reason.slice(0, 120)}`;
}

function bodyOf(data: Uint8Array): string {
  return new TextDecoder().decode(data);
}

function plain({ data, stored: _, ...letter }: Letter) {
  return { ...letter, data: bodyOf(data) };
}

function whole(letter: Letter): string {
  return [
    line(letter),
    ...Object.entries(letter.headers).map(([name, value]) => `  ${name}: ${value.replaceAll('\\n', '\n      ')}`),
    '',
    `  ${bodyOf(letter.data)}`,
  ].join('\n');
}
