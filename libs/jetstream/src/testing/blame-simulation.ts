import { type Attempts, Blame, type BlamePolicy } from '../failures/blame.js';

/** What a handler that is started at this moment comes to. */
export type Outcome = 'handled' | 'failed' | 'unavailable';

export interface World {
  readonly instances: number;
  readonly policy: BlamePolicy;
  /** When each message is published, in milliseconds; its place is its name. */
  readonly arrivals: readonly number[];
  /** What becomes of a message on an instance at a time. */
  outcome(message: number, instance: number, at: number): Outcome;
  /** How long a handler takes, in milliseconds. */
  takesMs(message: number, at: number): number;
  /** Between 0 and 1. */
  random(): number;
  /** When to stop looking. */
  untilMs: number;
}

export interface Fate {
  end: 'handled' | 'dead-lettered' | 'waiting';
  at: number;
  starts: number;
  /** What the dead letter would say. */
  attempts: Attempts | undefined;
}

interface Instance {
  readonly blame: Blame;
  held: number;
}

/**
 * One durable, its broker, the shared record of attempts and any number of instances, on a clock that jumps from one
 * event to the next. `Blame` is the real one; only what surrounds it is made up.
 */
export function simulate(world: World): Fate[] {
  const agenda = new Agenda();
  const fates: Fate[] = world.arrivals.map(() => ({ end: 'waiting', at: 0, starts: 0, attempts: undefined }));
  const available: number[] = [];
  const attempts = new Map<number, Attempts>();
  const instances = Array.from({ length: world.instances }, (): Instance => ({
    blame: new Blame(world.policy, world.random),
    held: 0,
  }));
  let waiting = 0;

  const offer = (message: number) => {
    available.push(message);
    for (const instance of turns(instances, world.random)) pull(instance);
  };
  const pull = (instance: Instance) => {
    const { concurrency } = world.policy;
    while (available.length > 0 && instance.held < Math.min(concurrency, instance.blame.appetite)) {
      instance.held++;
      const message = available.shift()!;
      fates[message]!.starts++;
      const startedAt = agenda.now;
      const outcome = world.outcome(message, instances.indexOf(instance), startedAt);
      agenda.after(world.takesMs(message, startedAt), () => {
        instance.held--;
        settle(instance, message, outcome);
        pull(instance);
      });
    }
  };
  const settle = (instance: Instance, message: number, outcome: Outcome) => {
    const { blame } = instance;
    const fate = fates[message]!;
    const end = (how: Fate['end']) => {
      waiting--;
      Object.assign(fate, { end: how, at: agenda.now, attempts: attempts.get(message) });
    };
    if (outcome === 'handled') {
      for (const one of blame.succeeded(`${message}`, agenda.now).convicted) count(Number(one));
      return end('handled');
    }
    const failure =
      outcome === 'failed' ? blame.failed(`${message}`, agenda.now) : blame.unavailable(`${message}`, agenda.now);
    if (failure.pauseMs !== undefined)
      agenda.after(failure.pauseMs, () => {
        blame.probe();
        pull(instance);
      });
    const decision =
      outcome === 'failed'
        ? blame.decide(failure, record(message), {
            now: agenda.now,
            storedAt: world.arrivals[message]!,
            isAlone: waiting === 1,
          })
        : blame.wait('away', fate.starts);
    if ('end' in decision) {
      blame.forget(`${message}`);
      end('dead-lettered');
    } else agenda.after(decision.waitMs, () => offer(message));
  };
  const record = (message: number): Attempts => {
    const { starts = 0, counted = 0, firstAt = agenda.now } = attempts.get(message) ?? {};
    const now = { starts: starts + 1, counted, firstAt };
    attempts.set(message, now);
    return now;
  };
  const count = (message: number) => {
    const known = attempts.get(message);
    if (known) attempts.set(message, { ...known, counted: known.counted + 1 });
  };

  world.arrivals.forEach((at, message) =>
    agenda.after(at, () => {
      waiting++;
      offer(message);
    }),
  );
  agenda.run(world.untilMs);
  return fates;
}

/** Who pulls first is chance. */
function turns<T>(all: readonly T[], random: () => number): T[] {
  const from = Math.floor(random() * all.length);
  return [...all.slice(from), ...all.slice(0, from)];
}

/** What is to happen, by time; of what is due at once the first entered comes first. */
class Agenda {
  now = 0;
  private entries: { at: number; order: number; act: () => void }[] = [];
  private entered = 0;

  after(ms: number, act: () => void): void {
    const entry = { at: this.now + ms, order: this.entered++, act };
    let low = 0;
    let high = this.entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.entries[middle]!;
      // Kept latest first, so that the next one is taken off the end.
      if (other.at > entry.at || (other.at === entry.at && other.order > entry.order)) low = middle + 1;
      else high = middle;
    }
    this.entries.splice(low, 0, entry);
  }

  run(untilMs: number): void {
    for (let next = this.entries.pop(); next && next.at <= untilMs; next = this.entries.pop()) {
      this.now = next.at;
      next.act();
    }
  }
}
