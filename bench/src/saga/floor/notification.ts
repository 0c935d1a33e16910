import type { OrdersConfirmed } from '@pavane/contracts';
import { type Heard, remember, type Said, type Tx } from './work.js';

const messageIdOf = (orderId: string): string => `<${orderId}.confirmed@pavane.example>`;

/** The mail about a confirmed order. */
export function mailOf({ orderId, data: { email, total } }: Heard<OrdersConfirmed>): { to: string; text: string } {
  const lines = [
    'From: Pavane <orders@pavane.example>',
    `To: ${email}`,
    `Subject: Your order ${orderId} is confirmed`,
    `Message-ID: ${messageIdOf(orderId)}`,
    `Date: ${new Date().toUTCString()}`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    '',
    `Thank you. Your order over ${(total.amount / 100).toFixed(2)} ${total.currency} is confirmed and on its way.`,
  ];
  return { to: email, text: lines.join('\r\n') };
}

/** `orders.confirmed`, and the mail server has the mail. */
export async function record(tx: Tx, heard: readonly Heard[]): Promise<Said[]> {
  const fresh = await remember(tx, 'notification_orders-confirmed', heard);
  await tx.query({
    name: 'record',
    text: `INSERT INTO notifications (order_id, outcome, status, message_id, at)
      SELECT order_id, 'confirmed', 'sent', message_id, now() FROM unnest($1::uuid[], $2::text[]) AS n (order_id, message_id)`,
    values: [fresh.map(({ orderId }) => orderId), fresh.map(({ orderId }) => messageIdOf(orderId))],
  });
  return fresh.map(({ orderId, traceparent }) => ({
    type: 'notifications.sent',
    orderId,
    traceparent,
    data: { outcome: 'confirmed', messageId: messageIdOf(orderId) },
  }));
}
