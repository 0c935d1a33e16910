import { expectedAfter, CANCEL_REASONS, type CancelReason, heardBy } from '@pavane/contracts';
import { given } from '@pavane/testing';
import fc from 'fast-check';
import {
  decide,
  evolve,
  isEchoed,
  newOrder,
  type Order,
  type OrderFact,
  type OrderMessage,
  type PlacedOrder,
} from './order.js';

const orderId = '01990000-0000-7000-8000-000000000001';
const rules = { initial: newOrder, decide, evolve };
const order = given(rules, orderId);
const total = { amount: 9800, currency: 'EUR' };
const email = 'ada@example.com';
const items = [{ sku: 'TEAPOT', quantity: 2 }];
const deadlineAt = new Date('2030-01-01T12:15:00.000Z');
const placed: PlacedOrder = {
  customerId: 'customer-1',
  email,
  items,
  total,
  paymentMethod: 'card_ok',
  deadlineAt,
  idempotencyKey: 'key-1',
  fingerprint: 'f1',
};

const place = { type: 'place', orderId, data: placed } as const;
const cancel = { type: 'cancel', orderId, data: {} } as const;
const resay = { type: 'resay', orderId, data: {} } as const;
const deadline = { type: 'timers.deadline', orderId, data: { deadlineAt: deadlineAt.toISOString() } } as const;
const paid = { type: 'payments.completed', orderId, data: { amount: total, items } } as const;
const declined = { type: 'payments.failed', orderId, data: { reason: 'declined' } } as const;
const tooLateToCharge = { type: 'payments.failed', orderId, data: { reason: 'deadline_passed' } } as const;
const reserved = { type: 'inventory.reserved', orderId, data: { items } } as const;
const rejected: OrderMessage = {
  type: 'inventory.rejected',
  orderId,
  data: { shortages: [{ sku: 'TEAPOT', requested: 2, available: 0 }] },
};
const refunded = { type: 'payments.refunded', orderId, data: { amount: total } } as const;
const released = { type: 'inventory.released', orderId, data: { items } } as const;
const sent = { type: 'notifications.sent', orderId, data: { outcome: 'confirmed', messageId: '<1@x>' } } as const;
const notSent = { type: 'notifications.failed', orderId, data: { outcome: 'confirmed', reason: 'no' } } as const;

const noted = (event: string): OrderFact => ({ type: 'noted', event });
const confirmed: OrderFact = { type: 'orders.confirmed', data: { email, total, items } };
const cancelled = (reason: CancelReason): OrderFact => ({ type: 'orders.cancelled', data: { reason, email, total } });

const endings: [string, OrderMessage, 'confirmed' | CancelReason][] = [
  ['its stock was reserved', reserved, 'confirmed'],
  ['its payment was declined', declined, 'payment_failed'],
  ['it was too late to charge', tooLateToCharge, 'deadline_passed'],
  ['its stock was rejected', rejected, 'out_of_stock'],
  ['its deadline passed', deadline, 'deadline_passed'],
  ['its customer cancelled', cancel, 'customer_request'],
];
const known: OrderMessage[] = [paid, refunded, released, sent, notSent, reserved, declined, rejected];
/** What order only takes note of: also of whoever came later. */
const echoes: OrderMessage[] = [
  ...[paid, refunded, released, sent, notSent],
  ...heardBy('order')
    .filter((type) => type !== 'timers.deadline' && !known.some((message) => message.type === type))
    .map((type) => ({ type, orderId, data: {} }) as OrderMessage),
];

describe('placing an order', () => {
  it('says what payment needs and sets the deadline', () => {
    order.when(place).then(
      { type: 'placed', order: placed },
      {
        type: 'orders.created',
        data: {
          email,
          total,
          customerId: 'customer-1',
          items,
          paymentMethod: 'card_ok',
          deadlineAt: '2030-01-01T12:15:00.000Z',
        },
      },
      { type: 'timers.deadline', data: { deadlineAt: '2030-01-01T12:15:00.000Z' } },
    );
    expect(order.after(place).state).toMatchObject({ status: 'pending', version: 1, entries: ['orders.created'] });
  });

  it('begins its history', () => {
    expect(order.after(place).state).toMatchObject({ version: 1, entries: ['orders.created'] });
  });
  it('happens once', () => {
    order.after(place).when(place).thenNothing();
    order.after(place, cancel).when(place).thenNothing();
  });
});

describe('a pending order', () => {
  const pending = order.after(place);

  it('is confirmed when its stock is reserved', () => {
    pending.after(paid).when(reserved).then(noted('inventory.reserved'), confirmed);
  });
  it('is confirmed by the reservation alone, when that overtook the payment', () => {
    pending.when(reserved).then(noted('inventory.reserved'), confirmed);
    pending.after(reserved).when(paid).then(noted('payments.completed'));
  });
  it('is cancelled when the payment is declined', () => {
    pending.when(declined).then(noted('payments.failed'), cancelled('payment_failed'));
  });
  it('is cancelled for its deadline when payment refused to start a charge after it', () => {
    pending.when(tooLateToCharge).then(noted('payments.failed'), cancelled('deadline_passed'));
  });
  it('is cancelled when it is out of stock', () => {
    pending.after(paid).when(rejected).then(noted('inventory.rejected'), cancelled('out_of_stock'));
  });
  it('is cancelled when its deadline comes', () => {
    pending.when(deadline).then(cancelled('deadline_passed'));
    pending.after(paid).when(deadline).then(cancelled('deadline_passed'));
  });
  it('is cancelled when its customer asks', () => {
    pending.when(cancel).then(cancelled('customer_request'));
    pending.after(paid).when(cancel).then(cancelled('customer_request'));
  });
  it.each(echoes.map((echo) => [echo.type, echo] as const))('notes %s once and stays pending', (type, echo) => {
    pending.when(echo).then(noted(type));
    pending.after(echo).when(echo).thenNothing();
    expect(pending.after(echo).state.status).toBe('pending');
  });
  it('has no ending to say again', () => {
    pending.when(resay).thenNothing();
  });
});

describe.each(endings)('an order that ended because %s', (_why, message, how) => {
  const ended = order.after(place, message);
  const ending = how === 'confirmed' ? confirmed : cancelled(how);

  it('says so with email and total, and keeps the reason', () => {
    const after = order.after(place).when(message);
    expect(after.facts.at(-1)).toEqual(ending);
    expect(after.state).toMatchObject(
      how === 'confirmed' ? { status: 'confirmed' } : { status: 'cancelled', reason: how },
    );
  });

  it.each(endings.map(([why, later]) => [why, later] as const))('stays as it is when %s later', (_, later) => {
    const { facts, state } = ended.when(later);
    expect(facts.filter(({ type }) => type !== 'noted')).toEqual([]);
    expect([state.status, state.reason]).toEqual([ended.state.status, ended.state.reason]);
  });

  it('notes what others still do about it, each once', () => {
    for (const echo of echoes) {
      ended.when(echo).then(noted(echo.type));
      ended.after(echo).when(echo).thenNothing();
    }
  });

  it('says its ending again when the sweeper asks, without a second entry in its history', () => {
    ended.when(resay).then(ending);
    expect(ended.when(resay).state).toEqual(ended.state);
  });

  it('cannot be made to end in another way', () => {
    for (const other of [confirmed, ...CANCEL_REASONS.map(cancelled)])
      if (JSON.stringify(other) !== JSON.stringify(ending))
        expect(() => evolve(ended.state, other)).toThrow(/cannot become/);
  });
});

describe('an order that was never placed here', () => {
  const speakers: OrderMessage[] = [
    cancel,
    deadline,
    paid,
    declined,
    reserved,
    rejected,
    refunded,
    released,
    sent,
    notSent,
  ];

  it.each(speakers.map((m) => [m.type, m] as const))(
    'makes %s a dead letter, because nobody can mend it',
    (_, message) => {
      order.when(message).thenThrows(/never placed here/);
      try {
        decide(message, newOrder(orderId), new Date());
      } catch (error) {
        expect(error).toMatchObject({ code: 'UNPROCESSABLE' });
      }
    },
  );

  it('has no ending to say again', () => {
    order.when(resay).thenNothing();
  });
});

describe('everybody who has to act on an ending was seen to', () => {
  it.each<[string, OrderMessage[], boolean]>([
    ['not while it is pending, whatever was said of it', [sent], false],
    ['not before the customer was told', [paid, reserved], false],
    ['once a confirmed order was told', [paid, reserved, sent], true],
    ['also when telling failed', [paid, reserved, notSent], true],
    ['once an order without money or stock was told', [declined, notSent], true],
    ['not before captured money was refunded', [paid, rejected, notSent], false],
    ['once captured money was refunded', [paid, rejected, notSent, refunded], true],
    ['not before reserved stock was released', [cancel, paid, reserved, refunded, notSent], false],
    ['once money and stock are back', [cancel, paid, reserved, refunded, notSent, released], true],
  ])('%s', (_, heard, echoed) => {
    const { state } = order.after(place, ...heard);
    // Whoever else answers did: this is about payment, inventory and notification.
    const own = ['payments.refunded', 'inventory.released', 'notifications.sent'];
    const others = state.status === 'pending' ? [] : expectedAfter(`orders.${state.status}`, [...state.noted, ...own]);
    const all = [...state.noted, ...others.map(([answer]) => answer!)];
    expect(isEchoed({ ...state, noted: all })).toBe(echoed);
  });
});

describe('any sequence of messages', () => {
  const everything: OrderMessage[] = [place, ...endings.map(([, m]) => m), ...echoes, resay];

  it('is specified here for each event that order hears', () => {
    expect(everything.map(({ type }) => type)).toEqual(expect.arrayContaining(heardBy('order')));
  });

  it('ends an order at most once, keeps the ending, and numbers every entry', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...everything), { maxLength: 40 }), (messages) => {
        let state: Order = order.after(place).state;
        const said: string[] = [];
        for (const message of messages) {
          const before = state;
          for (const fact of decide(message, state, new Date())) {
            state = evolve(state, fact);
            said.push(fact.type);
          }
          if (before.status !== 'pending') expect([state.status, state.reason]).toEqual([before.status, before.reason]);
        }
        const endingsSaid = new Set(said.filter((type) => type === 'orders.confirmed' || type === 'orders.cancelled'));
        expect(endingsSaid.size).toBe(state.status === 'pending' ? 0 : 1);
        expect(state.entries.filter((e) => /^orders\.c(onfirmed|ancelled)$/.test(e))).toEqual([...endingsSaid]);
        expect(state.version).toBe(state.entries.length);
        expect(new Set(state.entries).size).toBe(state.entries.length);
        expect((state.status === 'cancelled') === (state.reason !== undefined)).toBe(true);
      }),
    );
  });

  it('says an ending only once unless the sweeper asks', () => {
    const unasked = everything.filter(({ type }) => type !== 'resay');
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...unasked), { maxLength: 40 }), (messages) => {
        let state: Order = order.after(place).state;
        let said = 0;
        for (const message of messages)
          for (const fact of decide(message, state, new Date())) {
            state = evolve(state, fact);
            if (fact.type === 'orders.confirmed' || fact.type === 'orders.cancelled') said++;
          }
        expect(said).toBe(state.status === 'pending' ? 0 : 1);
      }),
    );
  });
});
