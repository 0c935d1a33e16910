export { isAway, isImpossible, PG_POOL, transaction, type Tx } from './database.js';
export { INBOX_DAYS, type Delivery } from './inbox.js';
export { backlog, replay, type Outbound, type OutboxRow } from './outbox.js';
export { CLOCK, OutboxModule, type OutboxModuleOptions } from './outbox.module.js';
export { participantController } from './participant.controller.js';
export {
  Participant,
  type Change,
  type Message,
  type Outlet,
  type ParticipantOptions,
  type Rules,
  type Store,
} from './participant.js';
export { Relay, type Publisher } from './relay.js';
export { REVISION, revisionProblem } from './revision.js';
export { openSession, ReadOnlySession, sessionProblem } from './session.js';
export { inTrace } from './trace.js';
