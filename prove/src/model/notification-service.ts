import {
  decide,
  evolve,
  messageIdOf,
  newNotification,
  type Notification,
  type NotificationFact,
  type NotificationMessage,
  type Result,
} from '@pavane/notification/rules';
import type { Outcome, OrdersCancelled, OrdersConfirmed } from '@pavane/contracts';
import type { Said } from './broker.js';
import type { MailServer } from './mail-server.js';
import { type Delivery, ModelParticipant, type Table } from './participant.js';
import { ModelService, type Surroundings } from './service.js';
import type { Process, Work } from './work.js';

type Ending = Exclude<NotificationMessage, { type: 'record' }>;
/** The address the mail server refuses. */
export const REFUSED = 'nobody@example.com';

/** The notification service: its event door. */
export class NotificationService
  extends ModelService<Notification, NotificationMessage, NotificationFact>
  implements Table<Notification, NotificationFact>
{
  readonly participant;
  /** The flag `notifications.email`. */
  isMailOn = true;
  readonly rows = new Map<string, Notification>();
  readonly #tried = new Set<string>();

  constructor(
    around: Surroundings,
    instances: number,
    private readonly mailServer: MailServer,
  ) {
    super(around, instances);
    this.participant = new ModelParticipant('notification', { decide, evolve }, this, around);
  }

  load(orderId: string): Notification {
    return this.rows.get(orderId) ?? newNotification(orderId);
  }

  save(orderId: string, notification: Notification, facts: readonly NotificationFact[]): void {
    if (facts.some(({ type }) => type === 'recorded')) this.rows.set(orderId, notification);
  }

  stateOf(orderId: string): string {
    return this.rows.get(orderId)?.result?.status ?? 'none';
  }

  protected *hear(process: Process, { type, orderId, data: json }: Said, delivery: Delivery): Work {
    const data = JSON.parse(json) as OrdersConfirmed & OrdersCancelled;
    const message = { type, orderId, data } as Ending;
    if (this.rows.has(orderId)) {
      yield* this.handle(process, message, delivery);
      return;
    }
    const outcome = type === 'orders.confirmed' ? 'confirmed' : 'cancelled';
    const result = yield* this.#tell(orderId, outcome, data.email);
    yield* this.handle(process, { type: 'record', orderId, data: { outcome, result } }, delivery);
  }

  *#tell(orderId: string, outcome: Outcome, email: string): Work<Result> {
    if (!this.isMailOn) return { status: 'suppressed' };
    const isAgain = this.#tried.has(orderId);
    this.#tried.add(orderId);
    const own = isAgain && this.around.sabotage === 'new-message-id' ? `${orderId}/again` : orderId;
    return yield* this.mailServer.send(messageIdOf(own, outcome), email === REFUSED);
  }
}
