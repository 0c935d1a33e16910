import { Inject, Injectable } from '@nestjs/common';
import type { Outcome } from '@pavane/contracts';
import { type Change, Participant, PG_POOL, type Store, type Tx } from '@pavane/outbox';
import { PrismaPg } from '@prisma/adapter-pg';
import type { Pool } from 'pg';
import { PrismaClient } from './generated/prisma/client.js';
import { messageIdOf, type Notification, type NotificationFact, type NotificationMessage } from './notification.js';

type Row = { orderId: string; outcome: Outcome; status: 'sent' | 'failed' | 'suppressed'; detail: string | null };

/** Reads of the notification database; writes go through the participant. */
@Injectable()
export class NotificationDatabase extends PrismaClient {
  constructor(@Inject(PG_POOL) pool: Pool) {
    super({ adapter: new PrismaPg(pool) });
  }

  /** Whether this order's notification was recorded, whatever became of it. */
  async isRecorded(orderId: string): Promise<boolean> {
    return (await this.notification.count({ where: { orderId } })) > 0;
  }
}

/** The part of the notification service in the saga. */
export class Notifications extends Participant<Notification, NotificationMessage, NotificationFact> {}

/** How a notification maps to a row of `notifications`. */
@Injectable()
export class NotificationStore implements Store<Notification, NotificationMessage, NotificationFact> {
  async load(tx: Tx, orderIds: readonly string[]): Promise<Map<string, Notification>> {
    const { rows } = await tx.query<Row>(
      `SELECT order_id AS "orderId", outcome, status, detail FROM notifications WHERE order_id = ANY ($1::uuid[]) ORDER BY order_id FOR UPDATE`,
      [orderIds],
    );
    return new Map(
      rows.map(({ orderId, outcome, status, detail }) => [
        orderId,
        { orderId, outcome, result: status === 'failed' ? { status, detail: detail ?? '' } : { status } },
      ]),
    );
  }

  async save(tx: Tx, changes: readonly Change<Notification, NotificationFact>[]): Promise<void> {
    const rows = changes.flatMap(({ id, state: { outcome, result }, facts, at }) =>
      outcome && facts.some(({ fact }) => fact.type === 'recorded')
        ? [{ id, outcome, message_id: messageIdOf(id, outcome), at, ...result }]
        : [],
    );
    await tx.query(
      `INSERT INTO notifications (order_id, outcome, status, message_id, detail, at)
       SELECT id, outcome, status, message_id, detail, at
       FROM jsonb_to_recordset($1) AS n (id uuid, outcome text, status text, message_id text, detail text, at timestamptz)`,
      [JSON.stringify(rows)],
    );
  }
}
