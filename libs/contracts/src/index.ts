export * from './events/index.js';
export * from './events/inventory.js';
export * from './events/notifications.js';
export * from './events/orders.js';
export * from './events/payments.js';
export * from './events/values.js';
export { flags, type FlagTable } from './flags.js';
export { outboundOf, type Outbound } from './outbound.js';
export { brokerUsers, permissions, type BrokerUser, type Permissions } from './permissions.js';
export { saga } from './saga.js';
export { SERVICES, services, simulators, simulatorsOf, trialVariables } from './services.js';
export { answersTo, decideBy, expectedAfter, heardBy, saidBy, sourceOf } from './participation.js';
export type {
  Commands,
  Decisions,
  NoCommands,
  Heard,
  Input,
  Message,
  Messages,
  Says,
  SaysAny,
  Unanswered,
  Service,
} from './participation.js';
export { DEFAULT_STORE, LEAST_STORE } from './store.js';
export {
  durables,
  hears,
  parkedOf,
  streamOf,
  subjectOf,
  subscriptionsOf,
  topology,
  type Listening,
  type TopologyOptions,
} from './topology.js';
