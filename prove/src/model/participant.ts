import { outboundOf, type EventType, type Message } from '@pavane/contracts';
import type { Broker, Said } from './broker.js';
import type { Clock } from './clock.js';
import type { Modelled } from './modelled.js';
import type { Sabotage } from './sabotage.js';

/** Which delivery a message came by. */
export interface Delivery {
  readonly id: string;
  readonly durable: string;
}

/** An event in the outbox; a row under a lease belongs to the process that stored it. */
export interface OutboxRow {
  readonly said: Said;
  leasedUntil: number;
}

/** The pure rules of a service. */
export interface Rules<State, M, F> {
  decide(message: M, state: State, now: Date): readonly F[];
  evolve(state: State, fact: F, orderId: string): State;
}

/** How a service keeps its state. */
export interface Table<State, F> {
  load(orderId: string): State;
  /** Throws when the row is refused, having changed nothing. */
  save(orderId: string, state: State, facts: readonly F[]): void;
}

const LEASE_MS = 3000;

/**
 * One service's database, and the transaction a participant makes of a message: inbox, state and outbox, all or nothing.
 * As `Participant` of `@pavane/outbox`, one message at a time.
 */
export class ModelParticipant<State, M extends Message, F extends { type: string }> {
  readonly outbox: OutboxRow[] = [];
  /** Rows of the outbox that are not published. */
  readonly unpublished = new Set<OutboxRow>();
  readonly #inbox = new Set<string>();
  /** Deliveries that anything followed from. */
  readonly #actedOn = new Set<string>();
  readonly #outbound;

  constructor(
    readonly service: Modelled,
    private readonly rules: Rules<State, M, F>,
    readonly table: Table<State, F>,
    private readonly parts: {
      clock: Clock;
      broker: Broker;
      sabotage: Sabotage | undefined;
      violated: (what: string) => void;
    },
  ) {
    this.#outbound = outboundOf(service);
  }

  hasHandled(delivery: Delivery): boolean {
    return this.#inbox.has(keyOf(delivery));
  }

  /** Commits a message. Throws what the rules or the table threw, having changed nothing. */
  commit(message: M, delivery?: Delivery): { state: State; rows: OutboxRow[] } {
    const { clock, sabotage, violated } = this.parts;
    const isNew = !delivery || sabotage === 'skip-inbox' || !this.hasHandled(delivery);
    const { state, facts, said } = this.#decided(message, isNew);
    if (facts.length > 0) this.table.save(message.orderId, state, facts);
    const rows = said.map((one) => ({
      said: one,
      leasedUntil: clock.ms + LEASE_MS,
    }));
    if (sabotage !== 'publish-from-memory-only' && sabotage !== 'publish-before-commit') {
      this.outbox.push(...rows);
      for (const row of rows) this.unpublished.add(row);
    }
    if (delivery && isNew) {
      const key = keyOf(delivery);
      this.#inbox.add(key);
      if (facts.length > 0 && this.#actedOn.has(key)) violated(`${message.type} ${key} was acted on twice`);
      if (facts.length > 0) this.#actedOn.add(key);
    }
    return { state, rows: sabotage === 'publish-before-commit' ? [] : rows };
  }

  /** What would be said, for a sabotage that cannot wait. */
  preview(message: M, delivery?: Delivery): Said[] {
    return this.#decided(message, !delivery || !this.hasHandled(delivery)).said;
  }

  /** Leases a row nobody holds. */
  claim(): OutboxRow | undefined {
    for (const row of this.unpublished) {
      if (!this.parts.clock.reached(row.leasedUntil)) continue;
      row.leasedUntil = this.parts.clock.ms + 2 * LEASE_MS;
      return row;
    }
    return undefined;
  }

  /** Makes every row unpublished again, for a broker that lost what it had. */
  replay(): void {
    for (const row of this.outbox) {
      this.unpublished.add(row);
      row.leasedUntil = this.parts.clock.ms;
    }
  }

  #decided(message: M, isNew: boolean): { state: State; facts: readonly F[]; said: Said[] } {
    const before = this.table.load(message.orderId);
    const facts = isNew ? this.rules.decide(message, before, this.parts.clock.date) : [];
    const state = facts.reduce((s, fact) => this.rules.evolve(s, fact, message.orderId), before);
    const said = facts.flatMap((fact) => {
      const out = this.#outbound(message.orderId, fact);
      if (!out) return [];
      const turn = this.parts.broker.nextTurn();
      return [
        {
          id: `e${turn}`,
          type: fact.type as EventType,
          orderId: message.orderId,
          data: JSON.stringify(out.data),
          turn,
        },
      ];
    });
    return { state, facts, said };
  }
}

const keyOf = ({ id, durable }: Delivery): string => `${id} for ${durable}`;
