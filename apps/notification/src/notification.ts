import { type Decisions, decideBy, type Event, type Messages, type Outcome } from '@pavane/contracts';

/** What became of telling a customer how an order ended. */
export type Result = { status: 'sent' } | { status: 'failed'; detail: string } | { status: 'suppressed' };

/** The notification about one order; `result` is absent until it was recorded. */
export interface Notification {
  orderId: string;
  outcome?: Outcome;
  result?: Result;
}

type NotificationCommands = {
  record: { for: 'orders.confirmed' | 'orders.cancelled'; data: { outcome: Outcome; result: Result } };
};
type Fact = { type: 'recorded'; outcome: Outcome; result: Result };
export type NotificationMessage = Messages<'notification', NotificationCommands>;
export type NotificationFact = Fact | Event<'notifications.sent' | 'notifications.failed'>;

const decisions: Decisions<'notification', Notification, Fact, NotificationCommands> = {
  // Recorded before, and heard again under another id: the saga asks a second time.
  'orders.confirmed': (_, notification) => announcement(notification),
  'orders.cancelled': (_, notification) => announcement(notification),
  record: ({ data }, notification) =>
    notification.result ? [] : [{ type: 'recorded', ...data }, ...announcement({ ...notification, ...data })],
};
/** What follows from a message for a notification. */
export const decide = decideBy(decisions);

function announcement({
  orderId,
  outcome,
  result,
}: Notification): Event<'notifications.sent' | 'notifications.failed'>[] {
  if (!outcome || !result) return [];
  if (result.status === 'sent')
    return [{ type: 'notifications.sent', data: { outcome, messageId: messageIdOf(orderId, outcome) } }];
  const reason = result.status === 'failed' ? result.detail : 'suppressed: notifications.email is off';
  return [{ type: 'notifications.failed', data: { outcome, reason: reason.slice(0, 500) } }];
}

/** The notification after a fact. */
export function evolve(notification: Notification, fact: NotificationFact): Notification {
  return fact.type === 'recorded' ? { ...notification, outcome: fact.outcome, result: fact.result } : notification;
}

export const newNotification = (orderId: string): Notification => ({ orderId });

/** The Message-ID of an order's notification. */
export const messageIdOf = (orderId: string, outcome: Outcome): string => `<${orderId}.${outcome}@pavane.example>`;
