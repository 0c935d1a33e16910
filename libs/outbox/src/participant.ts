import { RetryLater, seam, Unprocessable } from '@pavane/jetstream';
import type { Pool } from 'pg';
import {
  hold,
  isAway,
  isConflict,
  isDataError,
  isGivenUp,
  isImpossible,
  together,
  transaction,
  type Tx,
} from './database.js';
import { type Delivery, findHandled, refuseForgotten, rememberHandled } from './inbox.js';
import { type Outbound, type OutboxRow, rowOf, storeRows } from './outbox.js';
import { currentTrace, type Trace } from './trace.js';

/** Something that happened, or that is asked for: what the rules decide on. */
export interface Message {
  readonly type: string;
  /** Whom it is about; also the CloudEvents subject of what is said in answer. */
  readonly orderId: string;
  readonly data: unknown;
}

/** The business rules of a service: pure, and the same whether messages come one by one or in sets. */
export interface Rules<State, M extends Message, F> {
  /** Which aggregate a message is for. */
  readonly aggregateOf: (message: M) => string;
  /** The state of an aggregate that has no rows yet. */
  readonly initial: (aggregateId: string) => State;
  /** What follows from a message: facts, or none. Throws only for a broken rule, never for a business "no". */
  readonly decide: (message: M, state: State, now: Date) => readonly F[];
  /** The state after a fact about an order. */
  readonly evolve: (state: State, fact: F, orderId: string) => State;
}

/** What became of one aggregate in a set. */
export interface Change<State, F> {
  readonly id: string;
  readonly state: State;
  /** The facts in the order they were decided, and the order each is about. */
  readonly facts: readonly { readonly orderId: string; readonly fact: F }[];
  readonly at: Date;
  /** W3C trace context of the message that changed it first; a store keeps a new aggregate's, for work done without a message. */
  readonly traceparent: string | undefined;
}

/** How state maps to rows. */
export interface Store<State, M extends Message, F> {
  /**
   * Loads what the messages are about and locks it until the end of the transaction, ids in sorted order. No other
   * transaction is at work on messages about the same orders, so what is not found does not exist.
   */
  load(tx: Tx, aggregateIds: readonly string[], messages: readonly M[]): Promise<ReadonlyMap<string, State>>;
  /** Saves every change, ids in sorted order. */
  save(tx: Tx, changes: readonly Change<State, F>[]): Promise<void>;
}

/** Hands stored rows to the relay, right after the commit. */
export interface Outlet {
  readonly leaseMs: number;
  offer(rows: readonly OutboxRow[]): void;
}

export interface ParticipantOptions<State, M extends Message, F> {
  pool: Pool;
  rules: Rules<State, M, F>;
  store: Store<State, M, F>;
  outbound(orderId: string, fact: F): Outbound | undefined;
  outlet: Outlet;
  now(): Date;
  /** Gives UUIDv7s, each greater than the one before. */
  newId(): string;
}

interface Job<State, M> {
  readonly message: M;
  readonly delivery: Delivery | undefined;
  readonly trace: Trace;
  resolve(state: State): void;
  reject(error: unknown): void;
}

/** The most messages one transaction takes; beyond it a commit grows long without getting cheaper per message. */
const LARGEST_SET = 200;
/**
 * After so many transactions of a set that failed for an unknown reason, one after the other, it is not one message of it:
 * by halves that one would have been found.
 */
const MOST_UNEXPLAINED = Math.ceil(Math.log2(LARGEST_SET)) + 2;
/** How often a set of one is tried again when another transaction got in its way. */
const CONFLICT_TRIES = 5;

/**
 * A service's part in the saga: takes messages to its rules, and their facts to the database and the outbox, as one unit.
 *
 * Messages that arrive while a transaction is in flight commit together in the next. Each one's outcome is its own: a
 * message that breaks a rule or is refused by the database leaves those beside it untouched.
 */
export class Participant<State, M extends Message, F extends { type: string }> {
  readonly #waiting: Job<State, M>[] = [];
  #busy = false;

  constructor(private readonly options: ParticipantOptions<State, M, F>) {}

  /**
   * Resolves to the aggregate's state once everything that follows from `message` is committed: inbox, state and outbox.
   * With `delivery`, a message that was handled before changes nothing. Rejects with `RetryLater` when the database is
   * away (the outcome is then unknown; the same message may be handed in again), with `Unprocessable` when the event is
   * older than the inbox remembers, and with whatever the rules threw.
   */
  handle(message: M, delivery?: Delivery): Promise<State> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ message, delivery, trace: currentTrace(), resolve, reject });
      if (!this.#busy) void this.#work();
    });
  }

  /** The time to decide by. Throws `RetryLater` while the process does not know it. */
  now(): Date {
    return this.options.now();
  }

  async #work(): Promise<void> {
    this.#busy = true;
    while (this.#waiting.length > 0) {
      const away = await this.#settle(this.#waiting.splice(0, LARGEST_SET), 1);
      // Or every set behind this one would sit out a connection timeout of its own.
      if (away) for (const job of this.#waiting.splice(0)) job.reject(away);
    }
    this.#busy = false;
  }

  /**
   * Resolves to why nothing else can be handled now either, if that is so. `unexplained` counts transactions of one set
   * that failed for an unknown reason since the last that did not.
   */
  async #settle(
    jobs: readonly Job<State, M>[],
    attempt: number,
    unexplained = { inARow: 0 },
  ): Promise<RetryLater | undefined> {
    try {
      const reached = (point: string) => jobs.forEach(({ message }) => seam(point, message.type, message.orderId));
      const rows: OutboxRow[] = [];
      reached('before-transaction');
      const outcomes = await transaction(this.options.pool, (tx, begun) => this.#commit(tx, begun, jobs, rows));
      reached('committed');
      unexplained.inARow = 0;
      if (rows.length > 0) this.options.outlet.offer(rows);
      for (const [job, outcome] of outcomes) {
        if ('error' in outcome) job.reject(outcome.error);
        else job.resolve(outcome.state);
      }
    } catch (error) {
      const alone = jobs.length === 1;
      const reason = verdictOn(error);
      const mayPass = isConflict(error) || isDataError(error);
      const isUnexplained = !mayPass && !(reason instanceof RetryLater);
      if (isUnexplained) unexplained.inARow++;
      if (!alone && (mayPass || (isUnexplained && unexplained.inARow < MOST_UNEXPLAINED))) {
        // By halves: one bad message among many costs twice the logarithm of their number, not their number.
        const half = jobs.length >> 1;
        const away = await this.#settle(jobs.slice(0, half), 1, unexplained);
        if (!away) return this.#settle(jobs.slice(half), 1, unexplained);
        for (const job of jobs.slice(half)) job.reject(away);
        return away;
      }
      if (alone && isConflict(error) && attempt < CONFLICT_TRIES) return this.#settle(jobs, attempt + 1, unexplained);
      for (const job of jobs) job.reject(reason);
      if (reason instanceof RetryLater && !isGivenUp(error)) return reason;
    }
    return undefined;
  }

  async #commit(tx: Tx, begun: Promise<unknown>, all: readonly Job<State, M>[], rows: OutboxRow[]) {
    const { rules, store } = this.options;
    const now = this.options.now();
    const outcomes = new Map<Job<State, M>, { state: State } | { error: unknown }>();
    const aggregates = new Map<Job<State, M>, string>();
    for (const job of all) {
      try {
        aggregates.set(job, rules.aggregateOf(job.message));
      } catch (error) {
        outcomes.set(job, { error });
      }
    }
    const jobs = [...aggregates.keys()];
    const ids = [...new Set(aggregates.values())].sort();
    const messages = jobs.map((job) => job.message);
    // Sent at once and done in this order: whoever handled the same delivery meanwhile has committed once its order is held.
    const [, , handled, loaded] = await together([
      begun,
      hold(
        tx,
        messages.map(({ orderId }) => orderId),
      ),
      findHandled(
        tx,
        jobs.flatMap((job) => job.delivery ?? []),
      ),
      store.load(tx, ids, messages),
    ]);
    const states = new Map(loaded);
    const facts = new Map<string, { orderId: string; fact: F; trace: Trace }[]>();
    const remembered: Delivery[] = [];

    for (const [job, id] of aggregates) {
      const { message, delivery } = job;
      try {
        const before = states.get(id) ?? rules.initial(id);
        if (delivery) refuseForgotten(delivery, now);
        const isNew = !delivery || !handled.has(delivery);
        const decided = isNew ? rules.decide(message, before, now) : [];
        let state = before;
        const said: OutboxRow[] = [];
        for (const fact of decided) {
          state = rules.evolve(state, fact, message.orderId);
          const out = this.options.outbound(message.orderId, fact);
          if (out) said.push(rowOf(this.options.newId(), message.orderId, out, now, job.trace));
        }
        // From here on nothing throws, so a message has all of its effects or none.
        if (delivery && isNew) {
          handled.add(delivery);
          remembered.push(delivery);
        }
        if (decided.length > 0) {
          states.set(id, state);
          facts.set(id, [
            ...(facts.get(id) ?? []),
            ...decided.map((fact) => ({ orderId: message.orderId, fact, trace: job.trace })),
          ]);
        }
        rows.push(...said);
        outcomes.set(job, { state });
      } catch (error) {
        outcomes.set(job, { error });
      }
    }

    const changes = ids.flatMap((id) => {
      const about = facts.get(id);
      return about
        ? [{ id, state: states.get(id)!, facts: about, at: now, traceparent: about[0]!.trace.traceparent }]
        : [];
    });
    await together([
      changes.length > 0 ? store.save(tx, changes) : Promise.resolve(),
      rememberHandled(tx, remembered),
      storeRows(tx, rows, this.options.outlet.leaseMs),
    ]);
    return outcomes;
  }
}

/** What a failed transaction means for its messages. What is not known here is for whoever compares them with others. */
function verdictOn(thrown: unknown): Error {
  const error = thrown instanceof Error ? thrown : new Error(`a transaction failed with ${String(thrown)}`);
  const { message } = error;
  if (isAway(thrown)) return new RetryLater(`the database is away: ${message}`, { cause: thrown });
  // The values themselves are refused, as they will be every time.
  if (isImpossible(thrown)) return new Unprocessable(`the database refuses a value: ${message}`, { cause: thrown });
  return error;
}
