import { outboundOf, type Service } from '@pavane/contracts';
import type { Pool } from 'pg';
import { v7 as uuidv7 } from 'uuid';
import type { Broker, Stored } from './broker.js';
import type { Said, Tx, Write } from './work.js';

/** The most work of one kind that one transaction takes. */
const LARGEST_SET = 200;
/** Long enough that nobody else would publish a row while this process does. */
const LEASE = '30 seconds';

interface Kind<T extends { done(): void }> {
  waiting: T[];
  write: Write<T>;
}

/**
 * All writes to the database of one service. What comes while a transaction is in flight commits together in the next;
 * there is only one at a time, so nobody waits for a lock.
 */
export class Lane {
  readonly #kinds: Kind<never>[] = [];
  readonly #published: string[] = [];
  readonly #outbound;
  #busy = false;

  constructor(
    service: Service,
    private readonly pool: Pool,
    private readonly broker: Broker,
    private readonly fail: (error: unknown) => void,
  ) {
    this.#outbound = outboundOf(service);
  }

  /** Takes work of a kind; `done` of each is called when what follows from it is committed. */
  takes<T extends { done(): void }>(write: Write<T>): (work: T) => void {
    const kind: Kind<T> = { waiting: [], write };
    this.#kinds.push(kind as never);
    return (work) => {
      kind.waiting.push(work);
      this.#wake();
    };
  }

  #wake(): void {
    if (this.#busy) return;
    this.#busy = true;
    this.#run().catch(this.fail);
  }

  async #run(): Promise<void> {
    const tx = await this.pool.connect();
    // What has arrived in the same turn of the event loop belongs together.
    await new Promise(setImmediate);
    while (this.#published.length > 0 || this.#kinds.some(({ waiting }) => waiting.length > 0)) await this.#commit(tx);
    tx.release();
    this.#busy = false;
  }

  async #commit(tx: Tx): Promise<void> {
    const published = this.#published.splice(0);
    const sets = this.#kinds
      .filter(({ waiting }) => waiting.length > 0)
      .map(({ waiting, write }) => ({ work: waiting.splice(0, LARGEST_SET) as { done(): void }[], write }));
    const said: Said[] = [];
    await tx.query('BEGIN');
    for (const { work, write } of sets) said.push(...(await (write as Write<unknown>)(tx, work)));
    const rows = said.map((event) => this.#rowOf(event));
    if (rows.length > 0) await storeRows(tx, rows);
    if (published.length > 0) await markRows(tx, published);
    await tx.query('COMMIT');
    for (const { work } of sets) for (const { done } of work) done();
    for (const row of rows)
      this.broker.publish(row, () => {
        this.#published.push(row.id);
        this.#wake();
      });
  }

  #rowOf({ type, orderId, traceparent, data }: Said): Stored {
    const id = uuidv7();
    const out = this.#outbound(orderId, { type, data } as never)!;
    const headers = {
      'ce-specversion': '1.0',
      'ce-id': id,
      'ce-type': out.type,
      'ce-source': out.source,
      'ce-subject': orderId,
      'ce-time': new Date().toISOString(),
      'content-type': 'application/json',
      traceparent,
      ...out.headers,
    };
    return { id, orderId, subject: out.subject, headers, data: JSON.stringify(data) };
  }
}

const storeRows = (tx: Tx, rows: readonly Stored[]): Promise<unknown> =>
  tx.query({
    name: 'store',
    text: `INSERT INTO messaging.outbox (id, aggregate_id, subject, headers, data, leased_until)
      SELECT id, aggregate_id, subject, headers, data, now() + interval '${LEASE}'
      FROM unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[], $5::jsonb[]) AS r (id, aggregate_id, subject, headers, data)`,
    values: [
      rows.map(({ id }) => id),
      rows.map(({ orderId }) => orderId),
      rows.map(({ subject }) => subject),
      rows.map(({ headers }) => JSON.stringify(headers)),
      rows.map(({ data }) => data),
    ],
  });

const markRows = (tx: Tx, ids: readonly string[]): Promise<unknown> =>
  tx.query({
    name: 'mark',
    text: 'UPDATE messaging.outbox SET published_at = now() WHERE id = ANY ($1::uuid[])',
    values: [ids],
  });
