import { context, propagation } from '@opentelemetry/api';
import { type JetStreamPublisher, toHeaders } from '@pavane/jetstream';
import {
  type Delivery,
  type Message,
  type OutboxRow,
  Participant,
  type ParticipantOptions,
  type Tx,
} from '@pavane/outbox';
import { PrismaPg } from '@prisma/adapter-pg';
// Everything below is SQL, so the schema does not matter, and that of one service serves all four.
import { type Prisma, PrismaClient } from '../../../../apps/order/dist/generated/prisma/client.js';

/** A customer of a benchmark would rather wait than be refused. */
const WITHIN_MS = 60_000;

/**
 * The participant as textbooks have it: each message in an interactive Prisma transaction of its own, each event in a
 * publish of its own, awaited, and then marked. It decides by the same rules, stores by the same stores and loses nothing
 * either: what it could not publish, the relay finds.
 */
export class TextbookParticipant<State, M extends Message, F extends { type: string }> extends Participant<
  State,
  M,
  F
> {
  readonly #prisma: PrismaClient;
  readonly #slots: Slots;

  constructor(
    private readonly parts: ParticipantOptions<State, M, F>,
    private readonly publisher: JetStreamPublisher,
  ) {
    super(parts);
    this.#prisma = new PrismaClient({ adapter: new PrismaPg(parts.pool) });
    // The service reads on the same pool.
    this.#slots = new Slots(Math.max(1, parts.pool.options.max - 2));
  }

  override async handle(message: M, delivery?: Delivery): Promise<State> {
    const trace: Record<string, string> = {};
    propagation.inject(context.active(), trace);
    const rows: OutboxRow[] = [];
    const state = await this.#slots.run(() =>
      this.#prisma.$transaction((prisma) => this.#commit(prisma, message, delivery, trace, rows), {
        maxWait: WITHIN_MS,
        timeout: WITHIN_MS,
      }),
    );
    for (const row of rows) await this.#publish(row);
    return state;
  }

  async #commit(
    prisma: Prisma.TransactionClient,
    message: M,
    delivery: Delivery | undefined,
    trace: Record<string, string>,
    rows: OutboxRow[],
  ): Promise<State> {
    const { rules, store, outbound } = this.parts;
    const { orderId } = message;
    const at = this.parts.now();
    const id = rules.aggregateOf(message);
    const tx = txOf(prisma);
    await prisma.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${orderId}, 0))`;
    const before = (await store.load(tx, [id], [message])).get(id) ?? rules.initial(id);
    if (delivery && !(await remember(prisma, delivery))) return before;

    const facts = rules.decide(message, before, at);
    if (facts.length === 0) return before;
    const after = facts.reduce((state, fact) => rules.evolve(state, fact, orderId), before);
    const { traceparent } = trace;
    await store.save(tx, [{ id, state: after, facts: facts.map((fact) => ({ orderId, fact })), at, traceparent }]);
    for (const fact of facts) {
      const out = outbound(orderId, fact);
      if (!out) continue;
      const { subject, type, source, data } = out;
      const event = { id: this.parts.newId(), type, source, subject: orderId, time: at.toISOString(), ...trace };
      const headers = { ...toHeaders(event), ...out.headers };
      const row = { id: event.id, aggregateId: orderId, subject, headers, data: JSON.stringify(data) };
      await keep(prisma, row, this.parts.outlet.leaseMs);
      rows.push(row);
    }
    return after;
  }

  /** What cannot be published now stays in the outbox, where the relay's sweep finds it. */
  async #publish(row: OutboxRow): Promise<void> {
    try {
      await this.publisher.publish(row);
      await this.#prisma.$executeRaw`UPDATE messaging.outbox SET published_at = now() WHERE id = ${row.id}::uuid`;
    } catch {
      return;
    }
  }
}

/** Resolves to whether the delivery is new. */
const remember = async (prisma: Prisma.TransactionClient, { id, durable }: Delivery): Promise<boolean> =>
  (await prisma.$executeRaw`INSERT INTO messaging.inbox (event_id, durable) VALUES (${id}::uuid, ${durable})
    ON CONFLICT DO NOTHING`) === 1;

const keep = async (prisma: Prisma.TransactionClient, row: OutboxRow, leaseMs: number): Promise<unknown> =>
  prisma.$executeRaw`INSERT INTO messaging.outbox (id, aggregate_id, subject, headers, data, leased_until)
    VALUES (${row.id}::uuid, ${row.aggregateId}, ${row.subject}, ${JSON.stringify(row.headers)}::jsonb, ${row.data}::jsonb,
      now() + ${leaseMs} * interval '1 millisecond')`;

/** The stores speak SQL to whoever answers it. */
const txOf = (prisma: Prisma.TransactionClient): Tx => ({
  async query<Row>(text: string, values: readonly unknown[] = []) {
    const rows = await prisma.$queryRawUnsafe<Row[]>(text, ...values);
    return { rows, rowCount: rows.length };
  },
});

/** At most so many at a time, in the order they came: a pool that is waited for too long gives up. */
class Slots {
  readonly #waiting: (() => void)[] = [];
  constructor(private free: number) {}

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.free > 0) this.free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.free++;
    }
  }
}
