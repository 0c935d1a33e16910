// A participant is given what its own rules decide on.
import { Participant, participantController } from '@pavane/outbox';
import { type Messages, type NoCommands, subscriptionsOf } from '../src/index.js';

class Notifications extends Participant<object, Messages<'notification', NoCommands>, { type: 'recorded' }> {}
export const controller = participantController(subscriptionsOf('payment'), Notifications);
