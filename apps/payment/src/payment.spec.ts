import type { Event } from '@pavane/contracts';
import { given } from '@pavane/testing';
import fc from 'fast-check';
import {
  decide,
  evolve,
  mayCharge,
  newPayment,
  type Payment,
  type PaymentFact,
  type PaymentMessage,
} from './payment.js';

const orderId = '01990000-0000-7000-8000-000000000001';
const inTime = new Date('2030-01-01T12:00:00.000Z');
const deadlineAt = new Date('2030-01-01T12:15:00.000Z');
const amount = { amount: 9800, currency: 'EUR' };
const items = [{ sku: 'TEAPOT', quantity: 2 }];
const payment = given({ initial: newPayment, decide, evolve }, orderId).at(inTime);

const created = {
  customerId: 'customer-1',
  email: 'ada@example.com',
  items,
  total: amount,
  paymentMethod: 'card_ok',
  deadlineAt: deadlineAt.toISOString(),
};
const intend: PaymentMessage = { type: 'intend', orderId, data: created };
const hearCreated: PaymentMessage = { type: 'orders.created', orderId, data: created };
const cancelled: PaymentMessage = {
  type: 'orders.cancelled',
  orderId,
  data: { reason: 'customer_request', email: created.email, total: amount },
};
const captures: PaymentMessage = { type: 'settle', orderId, data: { type: 'captured' } };
const declines: PaymentMessage = { type: 'settle', orderId, data: { type: 'declined' } };
const voids: PaymentMessage = { type: 'settle', orderId, data: { type: 'voided' } };
const waiting = { type: 'waiting', reference: 'ch_1', customerUrl: 'https://bank.example/1' } as const;
const waits: PaymentMessage = { type: 'settle', orderId, data: waiting };
const refund: PaymentMessage = { type: 'refunded', orderId, data: {} };

const intended: PaymentFact = { type: 'intended', charge: { amount, method: 'card_ok', items, deadlineAt } };
const completed: Event<'payments.completed'> = { type: 'payments.completed', data: { amount, items } };
const failed = (reason: 'declined' | 'deadline_passed'): PaymentFact => ({ type: 'payments.failed', data: { reason } });
const refunded: Event<'payments.refunded'> = { type: 'payments.refunded', data: { amount } };

describe('an order that was created', () => {
  it('is an intent before the provider is asked', () => {
    payment.when(intend).then(intended);
    expect(payment.after(intend).state).toMatchObject({ status: 'intended', cancelRequested: false });
  });

  it('is paid when the provider captures', () => {
    payment.after(intend).when(captures).then({ type: 'captured' }, completed);
  });

  it('fails when the provider declines', () => {
    payment.after(intend).when(declines).then({ type: 'declined' }, failed('declined'));
    expect(payment.after(intend, declines).state.status).toBe('failed');
  });

  it('fails for its deadline when the charge was voided after it', () => {
    payment.after(intend).when(voids).then({ type: 'voided' }, failed('deadline_passed'));
    expect(payment.after(intend, voids).state.status).toBe('voided');
  });

  it.each([
    ['at its deadline', deadlineAt],
    ['after its deadline', new Date(deadlineAt.getTime() + 60_000)],
  ])('starts no charge %s', (_, now) => {
    const late = payment.at(now);
    late.when(intend).thenNothing();
    late.after(intend).when(hearCreated).then(intended, { type: 'voided' }, failed('deadline_passed'));
  });

  it('is charged no second time when it is heard again', () => {
    for (const settled of [captures, declines, voids]) payment.after(intend, settled).when(intend).thenNothing();
    payment.after(intend).when(intend).thenNothing();
  });

  it('is settled by the first answer only', () => {
    for (const first of [captures, declines, voids])
      for (const second of [captures, declines, voids]) payment.after(intend, first).when(second).thenNothing();
  });

  it('is settled only after an intent', () => {
    for (const settlement of [captures, declines, voids]) payment.when(settlement).thenNothing();
  });

  it('has its outcome said again, with the same reason, when it is heard under another id', () => {
    payment.after(intend, captures).when(hearCreated).then(completed);
    payment.after(intend, declines).when(hearCreated).then(failed('declined'));
    payment.after(intend, voids).when(hearCreated).then(failed('deadline_passed'));
    payment.at(deadlineAt).after(hearCreated).when(hearCreated).then(failed('deadline_passed'));
  });
});

describe('a cancellation', () => {
  it('that comes before the order leaves a tombstone, and the order is never charged', () => {
    payment.when(cancelled).then({ type: 'refused' });
    const tombstone = payment.after(cancelled);
    for (const late of [intend, hearCreated, cancelled, captures, declines, voids, refund])
      tombstone.when(late).thenNothing();
  });

  it('refunds what was captured', () => {
    const owing = payment.after(intend, captures);
    owing.when(cancelled).then({ type: 'refund-owed' });
    expect(owing.after(cancelled).state.status).toBe('refund_pending');
    owing.after(cancelled).when(refund).then(refunded);
    expect(owing.after(cancelled, refund).state.status).toBe('refunded');
  });

  it('has nothing to refund when no money moved', () => {
    payment.after(intend, declines).when(cancelled).thenNothing();
    payment.after(intend, voids).when(cancelled).thenNothing();
    payment.at(deadlineAt).after(hearCreated).when(cancelled).thenNothing();
  });

  it('heard again asks for nothing new', () => {
    payment.after(intend, cancelled).when(cancelled).thenNothing();
    payment.after(intend, captures, cancelled).when(cancelled).thenNothing();
  });

  it('heard again after the refund has the refund said again', () => {
    payment.after(intend, captures, cancelled, refund).when(cancelled).then(refunded);
  });
});

describe('a cancellation that crosses a charge', () => {
  const crossed = payment.after(intend, cancelled);

  it('is noted until the outcome is known', () => {
    payment.after(intend).when(cancelled).then({ type: 'cancel-requested' });
    expect(crossed.state).toMatchObject({ status: 'intended', cancelRequested: true });
  });
  it('has captured money refunded, and payments.completed is never said', () => {
    crossed.when(captures).then({ type: 'captured' }, { type: 'refund-owed' });
    crossed.after(captures).when(hearCreated).thenNothing();
    crossed.after(captures).when(refund).then(refunded);
  });
  it('says nothing when the charge was voided or declined', () => {
    crossed.when(voids).then({ type: 'voided' });
    crossed.when(declines).then({ type: 'declined' });
    crossed.after(voids).when(hearCreated).thenNothing();
  });
});

describe('a payment that waits for its customer', () => {
  const open = payment.after(intend, waits);

  it('is an intent, and knows where the customer completes it and what the provider calls it', () => {
    payment.after(intend).when(waits).then(waiting);
    expect(open.state).toMatchObject({ status: 'intended', reference: 'ch_1', customerUrl: waiting.customerUrl });
  });
  it('is noted once, however often the provider is asked', () => {
    open.when(waits).thenNothing();
  });
  it('is paid when the customer completes it, and fails when the bank declines', () => {
    open.when(captures).then({ type: 'captured' }, completed);
    open.when(declines).then({ type: 'declined' }, failed('declined'));
  });
  it('keeps the name it was told first when a later answer tells none', () => {
    expect(open.after(captures).state.reference).toBe('ch_1');
  });
  it('that is cancelled is voided and says nothing, or gives back what the customer had completed', () => {
    const late = open.after(cancelled);
    late.when(waits).thenNothing();
    late.when(voids).then({ type: 'voided' });
    late.when(captures).then({ type: 'captured' }, { type: 'refund-owed' });
  });
  it('waits only while nothing else is known', () => {
    for (const before of [[], [cancelled], [intend, captures], [intend, declines], [intend, voids]])
      payment
        .after(...before)
        .when(waits)
        .thenNothing();
  });
});

describe('a refund', () => {
  it('that is owed is said once, however often the provider is asked', () => {
    payment.after(intend, captures, cancelled, refund).when(refund).thenNothing();
  });
  it('is never given when none is owed', () => {
    for (const before of [[], [intend], [intend, captures], [intend, declines], [intend, voids], [cancelled]])
      payment
        .after(...before)
        .when(refund)
        .thenNothing();
  });
  it('that is owed waits through everything else that is heard', () => {
    const owed = payment.after(intend, captures, cancelled);
    for (const message of [intend, hearCreated, captures, declines, voids, cancelled]) owed.when(message).thenNothing();
  });
});

describe('any sequence of messages, at any time', () => {
  const messages = fc.array(
    fc.record({
      message: fc.constantFrom(intend, hearCreated, cancelled, captures, declines, voids, waits, refund),
      now: fc.constantFrom(inTime, deadlineAt),
    }),
    { maxLength: 30 },
  );
  const legal: Record<Payment['status'], Payment['status'][]> = {
    none: ['refused', 'intended', 'voided'],
    refused: [],
    intended: ['captured', 'failed', 'voided', 'refund_pending'],
    captured: ['refund_pending'],
    failed: [],
    voided: [],
    refund_pending: ['refunded'],
    refunded: [],
  };

  it('moves along legal transitions, and money is kept exactly when it was captured and not refunded', () => {
    fc.assert(
      fc.property(messages, (heard) => {
        let state = newPayment();
        let charged = 0;
        let back = 0;
        let cancelHeard = false;
        let completions = 0;
        for (const { message, now } of heard) {
          const before = state;
          // A door hears `orders.created` after it has tried to intend.
          const doored = message.type === 'orders.created' ? [intend, message] : [message];
          for (const each of doored) {
            if (each.type === 'orders.created' && state.status === 'intended') continue;
            for (const fact of decide(each, state, now)) {
              state = evolve(state, fact);
              if (fact.type === 'captured') charged++;
              if (fact.type === 'payments.refunded' && before.status !== 'refunded') back++;
              if (fact.type === 'payments.completed') {
                expect(cancelHeard).toBe(false);
                if (before.status !== 'captured') completions++;
              }
            }
          }
          if (message.type === 'orders.cancelled') cancelHeard = true;
          if (state.status !== before.status && doored.length === 1)
            expect(legal[before.status]).toContain(state.status);
        }
        expect(charged).toBeLessThanOrEqual(1);
        expect(completions).toBeLessThanOrEqual(1);
        expect(back).toBeLessThanOrEqual(charged);
        expect(charged - back === 1).toBe(state.status === 'captured' || state.status === 'refund_pending');
        if (cancelHeard) expect(state.status).not.toBe('captured');
      }),
    );
  });
});

describe('an intent that is looked at again', () => {
  const charge = {
    amount: { amount: 100, currency: 'EUR' },
    method: 'card_ok',
    items: [],
    deadlineAt: new Date('2026-01-01T00:01:00Z'),
  };
  const before = new Date('2026-01-01T00:00:59.999Z');

  it('may be charged before its deadline', () => {
    expect(mayCharge({ charge, cancelRequested: false }, before)).toBe(true);
  });

  it('may not be charged once the deadline has come', () => {
    expect(mayCharge({ charge, cancelRequested: false }, charge.deadlineAt)).toBe(false);
  });

  it('may not be charged while nobody knows what for', () => {
    expect(mayCharge({ cancelRequested: false }, before)).toBe(false);
  });

  it('may not be charged once the order is cancelled', () => {
    expect(mayCharge({ charge, cancelRequested: true }, before)).toBe(false);
  });
});
