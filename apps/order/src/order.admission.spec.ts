import { describe, expect, it } from '@jest/globals';
import {
  type Admission,
  admits,
  newAdmission,
  nextTurn,
  observe,
  retryAfterOf,
  type Sight,
} from './order.admission.js';

const DEADLINE_MS = 20_000;
const LOOK_MS = 250;

interface Load {
  arriving: number;
  /** Orders the platform can work off a second. */
  capacity: number;
  seconds: number;
  deadlineMs?: number;
  /** What an order takes even when it is alone. */
  takesMs?: number;
  from?: Room;
}

interface Room {
  admission: Admission;
  line: number[];
  ended: { at: number; took: number }[];
  now: number;
}

/** A platform that works orders off one after the other, with a door that looks four times a second. */
function served({ arriving, capacity, seconds, deadlineMs = DEADLINE_MS, takesMs = 100, from }: Load) {
  const room: Room = from ?? { admission: newAdmission(deadlineMs), line: [], ended: [], now: 0 };
  const before = room.ended.length;
  let [came, accepted, most, owed] = [0, 0, 0, 0];
  let refused = false;
  const end = room.now + seconds * 1000;
  for (let carry = 0; room.now < end; room.now++) {
    for (carry += arriving / 1000; carry >= 1; carry--) {
      came++;
      if (!admits(room.admission, room.line.length)) refused = true;
      else {
        accepted++;
        room.line.push(room.now);
      }
    }
    most = Math.max(most, room.line.length);
    for (owed = Math.min(owed + capacity / 1000, 1); owed >= 1 && room.line[0]! + takesMs <= room.now; owed--) {
      room.ended.push({ at: room.now, took: room.now - room.line.shift()! });
    }
    if (room.now % LOOK_MS > 0) continue;
    const took = room.ended.filter(({ at }) => at > room.now - 2000).map((one) => one.took);
    const median = took.toSorted((a, b) => a - b)[Math.floor(took.length / 2)];
    room.admission = observe(room.admission, sightOf(room, took.length / 2, median, refused), deadlineMs);
    refused = false;
  }
  const waits = room.ended.slice(before).map(({ took }) => took);
  return { room, waits, accepted, refused: came - accepted, most };
}

const sightOf = ({ line, ended, now }: Room, rate: number, tookMs: number | undefined, refused: boolean): Sight => ({
  sinceMs: LOOK_MS,
  queued: line.length,
  oldestMs: line.length > 0 ? now - line[0]! : 0,
  rate,
  tookMs,
  quietMs: now - (ended.at(-1)?.at ?? -Infinity),
  refused,
});

describe('admission', () => {
  it.each([2, 5])(
    'at %d times the capacity everyone let in is served within half of the deadline, and no place stays empty',
    (factor) => {
      const { waits } = served({ arriving: 100 * factor, capacity: 100, seconds: 30 });
      expect(Math.max(...waits)).toBeLessThan(DEADLINE_MS / 2);
      expect(waits.length).toBeGreaterThan(0.9 * 100 * 30);
    },
  );

  it('turns nobody away as long as everyone can be served', () => {
    expect(served({ arriving: 90, capacity: 100, seconds: 30 }).refused).toBe(0);
  });

  it('lets a first rush in that a small platform can work off, and not thousands', () => {
    const { accepted, waits } = served({ arriving: 5000, capacity: 50, seconds: 1 });
    expect(accepted).toBeGreaterThan(100);
    expect(accepted).toBeLessThan(400);
    expect(Math.max(...waits)).toBeLessThan(DEADLINE_MS / 2);
  });

  it('learns nothing from single orders that take long', () => {
    const slow = {
      sinceMs: LOOK_MS,
      queued: 3,
      oldestMs: 15_000,
      rate: 0.5,
      tookMs: 14_000,
      quietMs: 0,
      refused: false,
    };
    let admission = newAdmission(DEADLINE_MS);
    for (let looks = 0; looks < 100; looks++) admission = observe(admission, slow, DEADLINE_MS);
    expect(admits(admission, 200)).toBe(true);
  });

  it('lets a rush in after a quiet night', () => {
    const night = served({ arriving: 1, capacity: 200, seconds: 10 });
    expect(served({ arriving: 2000, capacity: 200, seconds: 0.1, from: night.room }).refused).toBe(0);
    expect(served({ arriving: 150, capacity: 200, seconds: 5, from: night.room }).refused).toBe(0);
  });

  it('learns that a platform can do more than was thought', () => {
    const { waits } = served({ arriving: 2000, capacity: 1000, seconds: 20, takesMs: 1000, deadlineMs: 60_000 });
    expect(waits.length).toBeGreaterThan(0.8 * 1000 * 20);
  });

  it('does not take for usual what orders wait for each other, however long that lasts', () => {
    const hour = { arriving: 200, capacity: 100, deadlineMs: 900_000 };
    const rush = served({ ...hour, seconds: 120 });
    expect(Math.max(...served({ ...hour, seconds: 60, from: rush.room }).waits)).toBeLessThan(4000);
  });

  it('learns that a platform can do less than it could', () => {
    const rush = { arriving: 900, deadlineMs: 900_000 };
    const before = served({ ...rush, capacity: 600, seconds: 10 });
    const slower = served({ ...rush, capacity: 200, seconds: 20, from: before.room });
    // Those who were in line when it became slow wait for long. From then on nobody new does.
    const { waits } = served({ ...rush, capacity: 200, seconds: 20, from: slower.room });
    expect(Math.max(...waits)).toBeLessThan(4000);
  });

  it('lets nobody in for whom it would take too long as things go right now, whatever could be done a moment ago', () => {
    const before = { ...newAdmission(DEADLINE_MS), capacity: 200, isMeasured: true, flowsMs: 10_000 };
    const sight = {
      sinceMs: LOOK_MS,
      queued: 200,
      oldestMs: 3000,
      rate: 10,
      tookMs: 3000,
      quietMs: 0,
      refused: true,
    };
    expect(admits(observe(before, sight, DEADLINE_MS), 51)).toBe(false);
  });

  it('takes everyone in again as soon as the rush is over', () => {
    const rush = served({ arriving: 500, capacity: 100, seconds: 20 });
    const after = served({ arriving: 50, capacity: 100, seconds: 10, from: rush.room });
    expect(after.refused).toBe(0);
  });

  it('turns nobody away because orders take long that do not wait for each other', () => {
    const slow = served({ arriving: 80, capacity: 1000, seconds: 60, takesMs: 5000, deadlineMs: 900_000 });
    expect(slow.refused).toBe(0);
  });

  it('while nothing ends, lets in what can be worked off afterwards, and no more', () => {
    const deadlineMs = 60_000;
    const before = served({ arriving: 90, capacity: 100, seconds: 10, deadlineMs });
    const { limit, capacity } = before.room.admission;
    const outage = served({ arriving: 90, capacity: 0, seconds: 20, deadlineMs, from: before.room });
    expect(outage.most).toBeGreaterThan(limit + 200);
    expect(outage.most).toBeLessThanOrEqual((capacity * deadlineMs) / 8 / 1000);
    const after = served({ arriving: 50, capacity: 100, seconds: 30, deadlineMs, from: outage.room });
    expect(after.room.line.length).toBeLessThan(20);
    expect(Math.max(...after.waits)).toBeLessThan(deadlineMs / 2);
    expect(served({ arriving: 90, capacity: 100, seconds: 10, deadlineMs, from: after.room }).refused).toBe(0);
  });

  it('does not take an outage that has just begun for a platform that has become slow', () => {
    const deadlineMs = 60_000;
    const usual = { arriving: 30, takesMs: 3000, deadlineMs };
    const before = served({ ...usual, capacity: 100, seconds: 8 });
    const { capacity } = before.room.admission;
    const outage = served({ ...usual, capacity: 0, seconds: 5, from: before.room });
    expect(outage.refused).toBe(0);
    expect(outage.room.admission.capacity).toBeGreaterThan(capacity / 3);
  });

  it('lets hardly anyone in once nothing has ended for half of the deadline', () => {
    const sight = {
      sinceMs: LOOK_MS,
      queued: 20,
      oldestMs: DEADLINE_MS / 2 + 1,
      rate: 0,
      tookMs: undefined,
      quietMs: Number.POSITIVE_INFINITY,
      refused: false,
    };
    const admission = observe(newAdmission(DEADLINE_MS), sight, DEADLINE_MS);
    expect(admits(admission, 20)).toBe(false);
    expect(admits(admission, 0)).toBe(true);
  });
});

describe('Retry-After', () => {
  it('gives those who are turned away their turns one after the other, at the rate at which orders are worked off', () => {
    const admission = { capacity: 10, isMeasured: true, flowsMs: 9999, limit: 20, baseMs: 100 };
    let turn = 0;
    const told = Array.from({ length: 30 }, () => {
      turn = nextTurn(admission, 25, turn, 1000);
      return retryAfterOf(turn, 1000);
    });
    // Half a second until the line is as short as it should be, then ten a second.
    expect(told.slice(0, 5)).toEqual([1, 1, 1, 1, 1]);
    expect(told.at(-1)).toBe(4);
  });

  it('sends nobody away for longer than ten seconds', () => {
    const turn = nextTurn({ capacity: 0.01, isMeasured: true, flowsMs: 9999, limit: 16, baseMs: 100 }, 100, 0, 1000);
    expect(retryAfterOf(turn, 1000)).toBe(10);
  });
});
