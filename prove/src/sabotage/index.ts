import { fileURLToPath } from 'node:url';
import type { Service } from '@pavane/contracts';

/** A promise that is broken on purpose, and the check that must notice. */
export interface Sabotage {
  /** Also the name of its entry module beside this file. */
  name: string;
  about: string;
  /** The service that is run by another entry module. */
  of: Service;
  /** The fault that is played on it. */
  fault: string;
  /** What the check says that must turn red. */
  caughtBy: RegExp;
}

export const sabotages: readonly Sabotage[] = [
  {
    name: 'skip-inbox',
    about: 'inventory handles again what it has handled before',
    of: 'inventory',
    fault: 'duplicates',
    caughtBy: /answered more often than asked/,
  },
  {
    name: 'ack-before-commit',
    about: 'inventory acks a message before its transaction',
    of: 'inventory',
    fault: 'seam-sigkill',
    caughtBy: /inventory died at .* had not ended/,
  },
  {
    name: 'publish-outside',
    about: 'order publishes its events itself instead of storing them with what they follow from',
    of: 'order',
    fault: 'nats-sigterm',
    caughtBy: /had not ended/,
  },
  {
    name: 'no-tombstone',
    about: 'payment forgets a cancellation that came before the order',
    of: 'payment',
    fault: 'overtaken',
    caughtBy: /the provider keeps exactly/,
  },
  {
    name: 'no-stock-check',
    about: 'inventory sets aside what is not there',
    of: 'inventory',
    fault: 'one-sigkill',
    // The database refuses a negative stock, so what must not happen shows as a message that cannot be handled.
    caughtBy: /dead letters|had not ended/,
  },
  {
    name: 'no-idempotency-key',
    about: 'payment asks the provider under another key when it asks again',
    of: 'payment',
    fault: 'provider-timeouts',
    caughtBy: /the provider keeps exactly/,
  },
  {
    name: 'inbox-with-intent',
    about: 'payment remembers an event as handled once the intent is stored',
    of: 'payment',
    fault: 'seam-sigkill',
    caughtBy: /payment died at committed:intend, and left an intent/,
  },
  {
    name: 'dead-letter-after-term',
    about: 'inventory takes a message off the stream before its dead letter is stored',
    of: 'inventory',
    fault: 'dead-letter-sigkill',
    caughtBy: /dead letters/,
  },
  {
    name: 'ack-before-parked',
    about: 'inventory takes a message off its stream before its copy is in the waiting room',
    of: 'inventory',
    fault: 'waiting-room',
    caughtBy: /had not ended|is still pending/,
  },
  {
    name: 'id-cursor',
    about: "order's relay follows the ids of the outbox",
    of: 'order',
    fault: 'two-instances',
    caughtBy: /unpublished in the outbox of order|had not ended/,
  },
  {
    name: 'outage-as-poison',
    about: 'inventory takes it for the fault of the message that its database is away',
    of: 'inventory',
    // In which nobody else is away, so that there is something to handle.
    fault: 'database-refuses-logins',
    caughtBy: /dead letters/,
  },
  {
    name: 'unknown-as-poison',
    about: 'inventory takes an error it does not know for the fault of the message',
    of: 'inventory',
    fault: 'unknown-errors-inventory',
    caughtBy: /dead letters/,
  },
  {
    name: 'unknown-as-declined',
    about: 'payment takes an answer that settles nothing for a decline',
    of: 'payment',
    fault: 'wrong-answers',
    caughtBy: /orders are payment_failed/,
  },
];

/** The module that runs a sabotaged service. */
export const entryOf = ({ name }: Sabotage): string => fileURLToPath(new URL(`./${name}.js`, import.meta.url));
