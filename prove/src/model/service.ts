import { RetryLater } from '@pavane/jetstream';
import type { Message } from '@pavane/contracts';
import type { Broker, Entry, Said } from './broker.js';
import type { Clock } from './clock.js';
import type { Delivery, ModelParticipant, OutboxRow } from './participant.js';
import type { Sabotage } from './sabotage.js';
import type { Chance } from './scenario.js';
import { type Job, Process, type Work } from './work.js';

/** What the services of one run share. */
export interface Surroundings {
  readonly clock: Clock;
  readonly chance: Chance;
  readonly broker: Broker;
  readonly sabotage: Sabotage | undefined;
  violated(what: string): void;
}

/**
 * One service: its doors around the rules, its database, and the processes it runs in. Its relay keeps no order among the
 * events of one order, which is more than the real one allows itself: two processes of a service may do so together.
 */
export abstract class ModelService<State, M extends Message, F extends { type: string }> {
  abstract readonly participant: ModelParticipant<State, M, F>;
  readonly processes: Process[];
  /** By order, the latest event handled. */
  readonly #latest = new Map<string, number>();

  constructor(
    protected readonly around: Surroundings,
    instances: number,
  ) {
    this.processes = Array.from({ length: instances }, () => new Process());
  }

  /** The event door. */
  protected abstract hear(process: Process, said: Said, delivery: Delivery): Work;

  /** The state of what belongs to an order, in a word. */
  abstract stateOf(orderId: string): string;

  /** Does what the service does of its own; false when nothing is due. */
  round(process: Process): boolean {
    const row = this.participant.claim();
    if (row) process.start(this.#relaying(row));
    return row !== undefined;
  }

  /** When something is due next. */
  *moments(): Generator<number | undefined> {
    for (const { upAt } of this.processes) if (upAt > this.around.clock.ms) yield upAt;
    for (const row of this.participant.unpublished) yield row.leasedUntil;
  }

  /** Whether something said later about the same order was handled before. */
  hasHeardLaterThan({ orderId, turn }: Said): boolean {
    return (this.#latest.get(orderId) ?? 0) > turn;
  }

  /** Takes one delivery through the door to its outcome. */
  *consume(process: Process, entry: Entry): Work {
    const { broker, chance, sabotage } = this.around;
    const { said, durable } = entry;
    try {
      if (sabotage === 'ack-before-commit') broker.ack(entry);
      yield 'received';
      yield* this.hear(process, said, { id: said.id, durable });
      yield 'handled';
      this.#latest.set(said.orderId, Math.max(said.turn, this.#latest.get(said.orderId) ?? 0));
      if (chance.strikes()) broker.abandon(entry);
      else broker.ack(entry);
    } catch (error) {
      if (error instanceof RetryLater && sabotage !== 'outage-is-an-attempt') broker.nak(entry, chance.int(100, 2000));
      else broker.failed(entry, (error as Error).message);
    }
  }

  /** As `Participant.handle`: what follows is committed, and handed to the relay. */
  protected *handle(process: Process, message: M, delivery?: Delivery): Work<State> {
    const { chance, broker, sabotage } = this.around;
    if (sabotage === 'publish-before-commit')
      for (const said of this.participant.preview(message, delivery)) broker.publish(said);
    yield 'before-transaction';
    if (chance.strikes()) throw new RetryLater('the database is away');
    const { state, rows } = this.participant.commit(message, delivery);
    if (chance.strikes()) throw new RetryLater('the database is away: nobody knows whether it committed');
    yield 'committed';
    for (const row of rows) process.start(this.#relaying(row));
    return state;
  }

  #relaying(row: OutboxRow): Job {
    return { name: `relay of ${row.said.type}`, orderId: row.said.orderId, work: this.#relay(row) };
  }

  *#relay(row: OutboxRow): Work {
    const { chance, broker } = this.around;
    yield 'publishing';
    // Left to the sweep: the broker was away, or its answer was lost.
    if (chance.strikes()) return;
    broker.publish(row.said);
    if (chance.strikes()) return;
    yield 'published';
    this.participant.unpublished.delete(row);
  }
}
