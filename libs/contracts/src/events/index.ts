import { InventoryRejected, InventoryReleased, InventoryReserved } from './inventory.js';
import { NotificationsFailed, NotificationsSent } from './notifications.js';
import { OrdersCancelled, OrdersConfirmed, OrdersCreated, TimersDeadline } from './orders.js';
import { PaymentsCompleted, PaymentsFailed, PaymentsRefunded } from './payments.js';

/** Makes of what an earlier version carries what the present one does. */
export type Upcast = (data: Record<string, unknown>) => object;

interface Definition {
  /** The version that is said. */
  version: number;
  /** What the event carries in that version. */
  payload: new () => object;
  /** Earlier versions that are still heard: see docs/decisions/0015-versions-of-events.md. */
  earlier?: Readonly<Record<number, Upcast>>;
  /** The event that it undoes; where that was not, nobody has to wait for it. */
  undoes?: string;
}

/** Every event of the platform: its published version and the class that says what it carries. */
export const events = {
  'orders.created': { version: 1, payload: OrdersCreated },
  'orders.confirmed': { version: 1, payload: OrdersConfirmed },
  'orders.cancelled': { version: 1, payload: OrdersCancelled },
  'payments.completed': { version: 1, payload: PaymentsCompleted },
  'payments.failed': { version: 1, payload: PaymentsFailed },
  'payments.refunded': { version: 1, payload: PaymentsRefunded, undoes: 'payments.completed' },
  'inventory.reserved': { version: 1, payload: InventoryReserved },
  'inventory.rejected': { version: 1, payload: InventoryRejected },
  'inventory.released': { version: 1, payload: InventoryReleased, undoes: 'inventory.reserved' },
  'notifications.sent': { version: 1, payload: NotificationsSent },
  'notifications.failed': { version: 1, payload: NotificationsFailed },
  'timers.deadline': { version: 1, payload: TimersDeadline },
} as const satisfies Record<string, Definition>;

export type EventType = keyof typeof events;
/** What an event of this type carries. */
export type EventData<T extends EventType> = InstanceType<(typeof events)[T]['payload']>;
/** An event as a participant says it; id, time and trace are added when it is stored. */
export type Event<T extends EventType = EventType> = { [K in T]: { readonly type: K; readonly data: EventData<K> } }[T];

/** The event that this one undoes, if it undoes any. */
export const undoneBy = (type: EventType): string | undefined => (events[type] as Definition).undoes;

/** The CloudEvents `ce-type` of an event: name and version, e.g. `orders.created.v1`. */
export const ceType = (type: EventType): string => `${type}.v${events[type].version}`;

/** The earlier versions of an event that are still heard, by their `ce-type`; nothing where there are none. */
export const earlierOf = (type: EventType): { earlier?: Readonly<Record<string, Upcast>> } => {
  const { earlier }: Definition = events[type];
  if (!earlier) return {};
  return {
    earlier: Object.fromEntries(Object.entries(earlier).map(([version, upcast]) => [`${type}.v${version}`, upcast])),
  };
};
