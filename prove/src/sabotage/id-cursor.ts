// The relay follows the ids of the outbox: what commits behind its back is never seen.
import { JetStreamPublisher } from '@pavane/jetstream';
import { OrderModule } from '@pavane/order/module';
import { type OutboxRow, PG_POOL, type Publisher, Relay } from '@pavane/outbox';
import { runService } from '@pavane/service';
import type { Pool } from 'pg';
import { replacing } from './replace.js';

class CursorRelay extends Relay {
  #last = '00000000-0000-0000-0000-000000000000';
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly db: Pool,
    private readonly to: Publisher,
  ) {
    super(db, to);
  }

  override start(): void {
    this.#timer = setTimeout(() => void this.#follow().finally(() => this.start()), 5);
  }
  override offer(): void {}
  override async drain(): Promise<void> {
    clearTimeout(this.#timer);
  }

  async #follow(): Promise<void> {
    const { rows } = await this.db.query<OutboxRow>(
      `SELECT id, aggregate_id AS "aggregateId", subject, headers, data::text AS data FROM messaging.outbox
       WHERE id > $1 ORDER BY id LIMIT 500`,
      [this.#last],
    );
    await Promise.all(rows.map((row) => this.to.publish(row)));
    this.#last = rows.at(-1)?.id ?? this.#last;
    await this.db.query('UPDATE messaging.outbox SET published_at = now() WHERE id = ANY ($1::uuid[])', [
      rows.map(({ id }) => id),
    ]);
  }
}

await runService(
  replacing(OrderModule, Relay, () => ({
    provide: Relay,
    inject: [PG_POOL, JetStreamPublisher],
    useFactory: (pool: Pool, publisher: Publisher) => new CursorRelay(pool, publisher),
  })),
);
