import type { Event, Outcome } from '@pavane/contracts';
import { given } from '@pavane/testing';
import fc from 'fast-check';
import { decide, evolve, newNotification, type NotificationMessage, type Result } from './notification.js';

const orderId = '01990000-0000-7000-8000-000000000001';
const total = { amount: 9805, currency: 'EUR' };
const email = 'ada@example.com';
const notification = given({ initial: newNotification, decide, evolve }, orderId);

const confirmed: NotificationMessage = {
  type: 'orders.confirmed',
  orderId,
  data: { email, total, items: [{ sku: 'CUP', quantity: 1 }] },
};
const cancelled: NotificationMessage = {
  type: 'orders.cancelled',
  orderId,
  data: { reason: 'out_of_stock', email, total },
};
const record = (outcome: Outcome, result: Result): NotificationMessage => ({
  type: 'record',
  orderId,
  data: { outcome, result },
});
const sent = (outcome: Outcome): Event<'notifications.sent'> => ({
  type: 'notifications.sent',
  data: { outcome, messageId: `<${orderId}.${outcome}@pavane.example>` },
});
const failed = (outcome: Outcome, reason: string): Event<'notifications.failed'> => ({
  type: 'notifications.failed',
  data: { outcome, reason },
});
const endings: [Outcome, NotificationMessage][] = [
  ['confirmed', confirmed],
  ['cancelled', cancelled],
];

describe.each(endings)('the notification of a %s order', (outcome, ending) => {
  it('is said to be sent once the mail server took it', () => {
    notification
      .when(record(outcome, { status: 'sent' }))
      .then({ type: 'recorded', outcome, result: { status: 'sent' } }, sent(outcome));
  });

  it('is said to have failed when the mail server refused it, with its reason', () => {
    const result: Result = { status: 'failed', detail: '550 no such mailbox' };
    notification
      .when(record(outcome, result))
      .then({ type: 'recorded', outcome, result }, failed(outcome, '550 no such mailbox'));
  });

  it('is recorded as suppressed while mails are switched off', () => {
    const result: Result = { status: 'suppressed' };
    notification
      .when(record(outcome, result))
      .then({ type: 'recorded', outcome, result }, failed(outcome, 'suppressed: notifications.email is off'));
  });

  it('is recorded once: what became of it first stays', () => {
    notification
      .after(record(outcome, { status: 'sent' }))
      .when(record(outcome, { status: 'suppressed' }))
      .thenNothing();
  });

  it('is said again when the ending is heard under another id', () => {
    notification
      .after(record(outcome, { status: 'sent' }))
      .when(ending)
      .then(sent(outcome));
    notification
      .after(record(outcome, { status: 'failed', detail: 'full' }))
      .when(ending)
      .then(failed(outcome, 'full'));
  });

  it('is nothing to speak of before it was recorded', () => {
    notification.when(ending).thenNothing();
    notification.from({ orderId, outcome }).when(ending).thenNothing();
  });
});

it('keeps what a mail server says within what the event may carry', () => {
  const { facts } = notification.when(record('confirmed', { status: 'failed', detail: 'x'.repeat(2000) }));
  expect(facts.at(-1)).toEqual(failed('confirmed', 'x'.repeat(500)));
});

it('speaks of one recorded notification only, whatever is heard in whatever order', () => {
  const messages = fc.constantFrom<NotificationMessage[]>(
    confirmed,
    cancelled,
    record('confirmed', { status: 'sent' }),
    record('confirmed', { status: 'suppressed' }),
    record('cancelled', { status: 'failed', detail: 'full' }),
  );
  fc.assert(
    fc.property(fc.array(messages, { maxLength: 20 }), (heard) => {
      let state = newNotification(orderId);
      const said = new Set<string>();
      let recorded = 0;
      for (const message of heard)
        for (const fact of decide(message, state, new Date())) {
          state = evolve(state, fact);
          if (fact.type === 'recorded') recorded++;
          else said.add(JSON.stringify(fact));
        }
      expect(recorded).toBeLessThanOrEqual(1);
      expect(said.size).toBe(recorded);
    }),
  );
});
