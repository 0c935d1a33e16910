import { durables, type EventType, saidBy, type Service, SERVICES, sourceOf } from '@pavane/contracts';

/** Every service that has a model, with the states in which it may find what belongs to an order. */
export const STATES = {
  order: ['unknown', 'pending', 'confirmed', 'cancelled'],
  payment: [
    'none',
    'refused',
    'intended',
    'intended, to be cancelled',
    'captured',
    'failed',
    'voided',
    'refund_pending',
    'refunded',
  ],
  inventory: ['none', 'refused', 'reserved', 'rejected', 'released', 'sold'],
  notification: ['none', 'sent', 'failed', 'suppressed'],
} as const satisfies Partial<Record<Service, readonly string[]>>;
export type Modelled = keyof typeof STATES;

const isModelled = (service: Service): service is Modelled => Object.hasOwn(STATES, service);

/** Services without a model: what they do is proved by the crash matrix and the faults alone. */
export const notModelled: readonly Service[] = SERVICES.filter((service) => !isModelled(service));

/** What they would publish; here order takes it for heard. */
export const unmodelledAnswers: readonly EventType[] = notModelled.flatMap(saidBy);

/** The durables that are played: what one modelled service publishes and another one listens to. */
export const modelledDurables = durables.flatMap(({ event, durable, service }) =>
  isModelled(service) && isModelled(sourceOf(event)) ? [{ event, durable, service }] : [],
);
