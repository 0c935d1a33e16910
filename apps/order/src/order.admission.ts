/** What was seen of the orders under way in all instances, over the last moments. */
export interface Sight {
  /** How long ago the last look was, in milliseconds. */
  sinceMs: number;
  /** Pending orders that were placed later than those that end now: the line that a new one joins. */
  queued: number;
  /** How long ago the first in that line was placed, in milliseconds; 0 when there is none. */
  oldestMs: number;
  /** Orders that were worked off, a second: confirmed, or cancelled because payment or inventory said no. */
  rate: number;
  /** From placing to ending, the median of these in milliseconds; absent when there were none. */
  tookMs: number | undefined;
  /** How long ago the last of these ended, in milliseconds. */
  quietMs: number;
  /** Whether somebody was turned away meanwhile. */
  refused: boolean;
}

/** What is believed of the platform, and how many orders may therefore be under way. */
export interface Admission {
  /** Orders a second that it can work off. */
  capacity: number;
  /** Whether that was seen, and not only guessed. */
  isMeasured: boolean;
  /** How long an order takes that waits for no other, in milliseconds. */
  baseMs: number | undefined;
  /** For how long orders have been ending without a break, in milliseconds. */
  flowsMs: number;
  /** So many orders may be queued. */
  limit: number;
}

/** Before anything was measured: what one small machine can do. */
const FIRST_CAPACITY = 128;
/** So few are always let in, or nothing could be learnt any more; nor are so few a line from which to learn. */
const ALWAYS = 16;
/** So few work better the more they are, and cannot tell a full platform from orders that take long, as with a slow card. */
const ENOUGH = 256;
/** As long as they can be worked off within this part of the deadline. */
const ENOUGH_OF_DEADLINE = 1 / 6;
/** How long a new order may wait for those before it: what is worked off again within seconds. */
const WAIT_MS = 2500;
/** And for which part of its deadline at most, even while nothing ends: an ending within half of it is the promise. */
const WAIT_OF_DEADLINE = 1 / 8;
/** Whatever is believed, nobody is let in who would wait for longer than this part of the deadline as things go right now. */
const NOW_OF_DEADLINE = 1 / 4;
/** After this part of the deadline without any ending, a new order would hardly be in time. */
const STANDSTILL_OF_DEADLINE = 1 / 2;
/** How fast what was seen takes the place of what is believed: two thirds of it in so long. */
const CAPACITY_FADES_MS = 2500;
/** The same of orders that take longer than any before, which may as well wait for each other. */
const BASE_FADES_MS = 10_000;
/** So many times the usual time between two endings is no chance any more. */
const USUAL_GAPS = 4;
/** Endings are counted over so long: shorter, and chance would speak. */
const WINDOW_MS = 2000;

/** Over how many milliseconds endings are to be counted. */
export const windowOf = (deadlineMs: number): number => Math.min(WINDOW_MS, deadlineMs * WAIT_OF_DEADLINE);

/** What is believed when a process starts. */
export const newAdmission = (deadlineMs: number): Admission =>
  limited({ capacity: FIRST_CAPACITY, isMeasured: false, baseMs: undefined, flowsMs: 0 }, deadlineMs);

/**
 * What is believed after another look. By Little's law a new order waits for as long as those in line take to be worked off.
 * While that is short, the platform can do at least what it does; when it is long, and somebody was in line all the time, what
 * it does is all it can. When nothing ends, something is away, which says nothing about the capacity.
 */
export function observe(before: Admission, seen: Sight, deadlineMs: number): Admission {
  if (seen.rate === 0) {
    const { limit } = limited(before, deadlineMs);
    if (seen.queued === 0) return { ...before, limit };
    // What is accepted meanwhile is worked off at the known rate once whatever is away is back.
    const late = seen.oldestMs > deadlineMs * STANDSTILL_OF_DEADLINE;
    const most = Math.floor((before.capacity * deadlineMs * WAIT_OF_DEADLINE) / 1000);
    return { ...before, flowsMs: 0, limit: late ? ALWAYS : Math.max(limit, most) };
  }
  const flowsMs = before.flowsMs + seen.sinceMs;
  if (isQuiet(before, seen, deadlineMs)) return { ...before, flowsMs };
  const baseMs = seen.refused ? before.baseMs : baseOf(before.baseMs, seen);
  const waitMs = (seen.queued / seen.rate) * 1000;
  const isFull =
    seen.queued > ALWAYS &&
    waitMs > waitOf(baseMs, deadlineMs) &&
    Math.min(seen.oldestMs, flowsMs) >= windowOf(deadlineMs);
  if (!isFull) {
    const isMore = seen.rate > before.capacity;
    const capacity = isMore ? seen.rate : before.capacity;
    return limited({ capacity, isMeasured: before.isMeasured || isMore, baseMs, flowsMs }, deadlineMs);
  }
  const capacity = before.isMeasured
    ? towards(before.capacity, seen.rate, seen.sinceMs / CAPACITY_FADES_MS)
    : seen.rate;
  const believed = limited({ capacity, isMeasured: true, baseMs, flowsMs }, deadlineMs);
  const now = Math.floor((seen.rate * deadlineMs * NOW_OF_DEADLINE) / 1000);
  return { ...believed, limit: Math.max(ALWAYS, Math.min(believed.limit, now)) };
}

/**
 * Whether perhaps nothing ends any more. What is counted over the last moments fades away then, and would pass for a
 * platform that is slower with every look.
 */
const isQuiet = ({ capacity }: Admission, { quietMs }: Sight, deadlineMs: number): boolean =>
  quietMs >= Math.max(windowOf(deadlineMs) / 4, (USUAL_GAPS * 1000) / capacity);

/** Whether one more may be let in beside so many. */
export const admits = ({ limit }: Admission, underWay: number): boolean => underWay < limit;

/** The longest a customer who was turned away is told to stay away, in seconds. */
const LONGEST_RETRY_AFTER = 10;

/**
 * When the next customer who is turned away has a turn: one after the other at the rate at which places become free. Moments
 * are in milliseconds; `lastTurn` is what this returned for the customer before.
 */
export function nextTurn({ capacity, limit }: Admission, underWay: number, lastTurn: number, now: number): number {
  const free = now + (Math.max(0, underWay - limit) / capacity) * 1000;
  return Math.min(Math.max(free, lastTurn) + 1000 / capacity, now + LONGEST_RETRY_AFTER * 1000);
}

/** For the header `Retry-After`: whole seconds. */
export const retryAfterOf = (turn: number, now: number): number => Math.max(1, Math.ceil((turn - now) / 1000));

function limited(believed: Omit<Admission, 'limit'>, deadlineMs: number): Admission {
  const { capacity, baseMs } = believed;
  const most = (capacity * deadlineMs * ENOUGH_OF_DEADLINE) / 1000;
  const wanted = Math.max(ENOUGH, (capacity * waitOf(baseMs, deadlineMs)) / 1000);
  return { ...believed, limit: Math.max(ALWAYS, Math.floor(Math.min(most, wanted))) };
}

const waitOf = (baseMs = 0, deadlineMs: number): number => Math.min(baseMs + WAIT_MS, deadlineMs * WAIT_OF_DEADLINE);

function baseOf(before: number | undefined, { tookMs, sinceMs }: Sight): number | undefined {
  if (before === undefined || tookMs === undefined) return tookMs ?? before;
  return tookMs < before ? tookMs : towards(before, tookMs, sinceMs / BASE_FADES_MS);
}

/** Exponential smoothing: how far from one to the other after so many time constants. */
const towards = (from: number, to: number, times: number): number => from + (to - from) * (1 - Math.exp(-times));
