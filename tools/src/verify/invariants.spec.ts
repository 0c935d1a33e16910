import { expectedAfter, SERVICES } from '@pavane/contracts';
import type { Evidence, OrderEvidence } from './evidence.js';
import { type Expectations, judge } from './invariants.js';

const CONFIRMED = '01990000-0000-7000-8000-000000000001';
const REFUNDED = '01990000-0000-7000-8000-000000000002';
const DECLINED = '01990000-0000-7000-8000-000000000003';
const STRANGER = '01990000-0000-7000-8000-00000000000f';

const NAMES = {
  endings: 'every accepted order has ended, once',
  answers: 'every service that answers an ending did',
  money: 'the provider keeps exactly what confirmed orders cost',
  stock: 'stock adds up, and what was sold is what was confirmed',
  notifications: 'one distinct notification for each ended order',
  rest: 'at rest nothing waits anywhere',
  deadLetters: 'dead letters are the poison that was injected',
  transitions: 'every order went through legal transitions only',
  traces: 'one order is one trace',
};
const mailOf = (id: string, outcome: string) => `<${id}.${outcome}@pavane.example>`;

/** A history with everything that has to follow, whoever else there is to answer. */
function answered(status: OrderEvidence['status'], history: readonly string[]) {
  const others = status === 'pending' ? [] : expectedAfter(`orders.${status}`, history).map(([answer]) => answer!);
  return { history: [...history, ...others], version: history.length + others.length };
}

/** A platform at rest on which three orders have ended: sold, refunded because it was out of stock, and declined. */
function good(): Evidence {
  const order = (id: string, rest: Pick<OrderEvidence, 'status' | 'reason' | 'amount' | 'history'>): OrderEvidence => ({
    id,
    items: [{ sku: 'CUP', quantity: 2 }],
    ...rest,
    ...answered(rest.status, rest.history),
  });
  return {
    orders: [
      order(CONFIRMED, {
        status: 'confirmed',
        reason: null,
        amount: 1000,
        history: [
          'orders.created',
          'payments.completed',
          'inventory.reserved',
          'orders.confirmed',
          'notifications.sent',
        ],
      }),
      order(REFUNDED, {
        status: 'cancelled',
        reason: 'out_of_stock',
        amount: 500,
        history: [
          'orders.created',
          'payments.completed',
          'inventory.rejected',
          'orders.cancelled',
          'payments.refunded',
          'notifications.sent',
        ],
      }),
      order(DECLINED, {
        status: 'cancelled',
        reason: 'payment_failed',
        amount: 300,
        history: ['orders.created', 'payments.failed', 'orders.cancelled', 'notifications.failed'],
      }),
    ],
    since: Object.fromEntries(SERVICES.map((service) => [service, new Date(0)])),
    elsewhere: [
      { service: 'payment', orderId: CONFIRMED },
      { service: 'inventory', orderId: DECLINED },
    ],
    ledger: {
      charges: [
        { key: CONFIRMED, amount: 1000, captures: 1, refunded: 0 },
        { key: REFUNDED, amount: 500, captures: 1, refunded: 500 },
        { key: DECLINED, amount: 300, captures: 0, refunded: 0 },
      ],
    },
    stock: [
      { sku: 'CUP', initial: 10, available: 8, reserved: 0, sold: 2 },
      { sku: 'TEAPOT', initial: 5, available: 5, reserved: 0, sold: 0 },
    ],
    notifications: [
      { messageId: mailOf(CONFIRMED, 'confirmed'), status: 'sent' },
      { messageId: mailOf(REFUNDED, 'cancelled'), status: 'sent' },
      { messageId: mailOf(DECLINED, 'cancelled'), status: 'suppressed' },
    ],
    mails: new Map([
      [mailOf(CONFIRMED, 'confirmed'), 1],
      // Sent twice: a crash between the server's answer and the commit. The ids are what counts.
      [mailOf(REFUNDED, 'cancelled'), 2],
    ]),
    outboxes: SERVICES.map((service) => ({ service, unpublished: 0, quarantined: 0 })),
    streamMessages: 0,
    parked: 0,
    consumers: [{ durable: 'payment_orders-created', pending: 0, unacked: 0 }],
    deadLetters: [],
    traces: new Map([CONFIRMED, REFUNDED, DECLINED].map((id, i) => [id, new Set([`trace-${i}`])])),
  };
}

const [confirmed, refunded, declined] = [0, 1, 2];
const entries = (order: number): number => good().orders[order]!.history.length;
const without = ({ version, history }: OrderEvidence, event: string): Partial<OrderEvidence> => ({
  version: version - 1,
  history: history.filter((entry) => entry !== event),
});
const broken = (evidence: Evidence, expected?: Expectations) => judge(evidence, expected).filter(({ holds }) => !holds);

describe('a platform at rest that kept its promises', () => {
  it('has every invariant hold, each saying what was counted', () => {
    const invariants = judge(good());
    expect(invariants.map(({ name }) => name)).toEqual(Object.values(NAMES));
    expect(broken(good())).toEqual([]);
    expect(invariants.map(({ detail }) => detail)).toEqual([
      '3 orders',
      expect.stringMatching(/^notification.* answered$/),
      '10.00 kept, 10.00 due, 5.00 refunded',
      '2 products, 2 pieces sold',
      '2 distinct mails, 1 suppressed or refused',
      `${SERVICES.length} outboxes, SAGA, the waiting room and 1 consumers empty`,
      '0 dead letters',
      `${entries(confirmed) + entries(refunded) + entries(declined)} entries in 3 histories`,
      '3 orders, 3 traces',
    ]);
  });

  it('has them hold for the poison that was injected and the orders that were accepted', () => {
    const evidence = good();
    evidence.deadLetters = [{ durable: 'payment_orders-created', reason: 'not JSON' }];
    expect(
      broken(evidence, { deadLetters: { 'payment_orders-created': 1 }, accepted: [CONFIRMED, REFUNDED, DECLINED] }),
    ).toEqual([]);
  });

  it('has them hold for what ended before there was a service to answer it', () => {
    const evidence = good();
    for (const order of evidence.orders) order.endedAt = new Date('2026-01-01T00:00:00Z');
    Object.assign(evidence.orders[confirmed]!, without(evidence.orders[confirmed]!, 'notifications.sent'));
    expect(broken(evidence).map(({ name }) => name)).toEqual([NAMES.answers]);
    evidence.since['notification'] = new Date('2026-01-02T00:00:00Z');
    expect(broken(evidence)).toEqual([]);
  });

  it('has them hold when nothing happened at all', () => {
    const nothing = {
      orders: [],
      elsewhere: [],
      ledger: { charges: [] },
      notifications: [],
      mails: new Map(),
      traces: new Map(),
    };
    const stock = good().stock.map((s) => ({ ...s, available: s.initial, sold: 0 }));
    expect(broken({ ...good(), ...nothing, stock })).toEqual([]);
  });
});

describe('what went wrong turns red, and the order it happened to is named', () => {
  it.each<[string, (evidence: Evidence) => void, (keyof typeof NAMES)[], RegExp, Expectations?]>([
    [
      'an order that is still pending',
      ({ orders }) =>
        Object.assign(orders[declined]!, { status: 'pending', reason: null, history: ['orders.created'], version: 1 }),
      ['endings', 'notifications'],
      new RegExp(`${DECLINED} is still pending`),
    ],
    [
      'an accepted order that is lost',
      () => undefined,
      ['endings'],
      new RegExp(`${STRANGER} was accepted and is lost`),
      { accepted: [STRANGER] },
    ],
    [
      'an order that another service made up',
      ({ elsewhere }) => elsewhere.push({ service: 'inventory', orderId: STRANGER }),
      ['endings'],
      new RegExp(`inventory knows order ${STRANGER}`),
    ],
    [
      'an ending that a service did not answer',
      ({ orders }) => Object.assign(orders[confirmed]!, without(orders[confirmed]!, 'notifications.sent')),
      ['answers'],
      new RegExp(`${CONFIRMED} is confirmed, and nobody said notifications\\.sent or notifications\\.failed`),
    ],
    ['a second capture', ({ ledger }) => (ledger.charges[confirmed]!.captures = 2), ['money'], /captured 2 times/],
    [
      'a second capture that was given back',
      ({ ledger }) => Object.assign(ledger.charges[confirmed]!, { captures: 2, refunded: 1000 }),
      ['money'],
      /captured 2 times/,
    ],
    [
      'a refund that is missing',
      ({ ledger }) => (ledger.charges[refunded]!.refunded = 0),
      ['money'],
      new RegExp(`${REFUNDED} .*keeps 5\\.00 instead of 0\\.00`),
    ],
    [
      'a refund nobody asked for',
      ({ ledger }) => (ledger.charges[confirmed]!.refunded = 1000),
      ['money'],
      /keeps 0\.00 instead of 10\.00/,
    ],
    [
      'an order that was confirmed and never charged',
      ({ ledger }) => ledger.charges.shift(),
      ['money'],
      /keeps 0\.00 instead of 10\.00/,
    ],
    [
      'money of nobody',
      ({ ledger }) => ledger.charges.push({ key: STRANGER, amount: 1, captures: 1, refunded: 0 }),
      ['money'],
      /unknown order/,
    ],
    [
      'a piece that was lost',
      ({ stock }) => (stock[0]!.available = 7),
      ['stock'],
      /CUP: 7 available \+ 0 reserved \+ 2 sold is not 10/,
    ],
    [
      'stock below zero',
      ({ stock }) => Object.assign(stock[1]!, { available: -1, reserved: 6 }),
      ['stock'],
      /TEAPOT is negative/,
    ],
    [
      'a reservation nobody released',
      ({ stock }) => Object.assign(stock[1]!, { available: 4, reserved: 1 }),
      ['stock'],
      /TEAPOT has 1 reserved at rest/,
    ],
    [
      'a piece sold to nobody',
      ({ stock }) => Object.assign(stock[0]!, { available: 7, sold: 3 }),
      ['stock'],
      /CUP: 3 sold, but 2 confirmed/,
    ],
    [
      'an order that was sold on paper only',
      ({ stock }) => Object.assign(stock[0]!, { available: 10, sold: 0 }),
      ['stock'],
      /CUP: 0 sold, but 2 confirmed/,
    ],
    [
      'a customer who was never told',
      ({ notifications }) => notifications.pop(),
      ['notifications'],
      new RegExp(`${DECLINED}\\.cancelled.* was never recorded`),
    ],
    [
      'a mail that is recorded and was not sent',
      ({ mails }) => mails.delete(mailOf(CONFIRMED, 'confirmed')),
      ['notifications'],
      /not in the mail sink/,
    ],
    [
      'a customer who was told both',
      ({ mails }) => mails.set(mailOf(CONFIRMED, 'cancelled'), 1),
      ['notifications'],
      /no order explains/,
    ],
    [
      'a notification that no order explains',
      ({ notifications }) => notifications.push({ messageId: mailOf(STRANGER, 'confirmed'), status: 'suppressed' }),
      ['notifications'],
      /no order explains/,
    ],
    [
      'an unpublished row',
      ({ outboxes }) => (outboxes[1]!.unpublished = 3),
      ['rest'],
      /3 unpublished in the outbox of payment/,
    ],
    [
      'a quarantined row',
      ({ outboxes }) => (outboxes[0]!.quarantined = 1),
      ['rest'],
      /1 quarantined in the outbox of order/,
    ],
    ['a message that still waits', (evidence) => (evidence.parked = 1), ['rest'], /1 messages in the waiting room/],
    ['a message nobody took', (evidence) => (evidence.streamMessages = 2), ['rest'], /2 messages in SAGA/],
    [
      'a message somebody works on',
      ({ consumers }) => (consumers[0]!.unacked = 1),
      ['rest'],
      /payment_orders-created: 0 pending, 1 unack/,
    ],
    ['a message somebody has not got', ({ consumers }) => (consumers[0]!.pending = 1), ['rest'], /1 pending/],
    [
      'a dead letter nobody expected',
      ({ deadLetters }) => deadLetters.push({ durable: 'order_payments-failed', reason: 'oh' }),
      ['deadLetters'],
      /order_payments-failed has 1 dead letters instead of 0 \(oh\)/,
    ],
    [
      'poison that left no dead letter',
      () => undefined,
      ['deadLetters'],
      /has 0 dead letters instead of 1/,
      { deadLetters: { 'payment_orders-created': 1 } },
    ],
    [
      'a dead letter without a reason',
      ({ deadLetters }) => deadLetters.push({ durable: 'payment_orders-created', reason: '' }),
      ['deadLetters'],
      /carries no reason/,
      { deadLetters: { 'payment_orders-created': 1 } },
    ],
    [
      'a history with a hole',
      ({ orders }) => orders[confirmed]!.version++,
      ['transitions'],
      new RegExp(`at version ${entries(confirmed) + 1} with ${entries(confirmed)} entries`),
    ],
    [
      'a history without a beginning',
      ({ orders }) => (orders[confirmed]!.history[0] = 'payments.failed'),
      ['transitions'],
      /begins with payments\.failed/,
    ],
    [
      'an order that ended twice',
      ({ orders }) =>
        Object.assign(orders[confirmed]!, { version: 6, history: [...orders[confirmed]!.history, 'orders.cancelled'] }),
      ['transitions'],
      /is confirmed, but its endings are \[orders\.confirmed, orders\.cancelled\]/,
    ],
    [
      'an order that ended twice in the same way',
      ({ orders }) =>
        Object.assign(orders[confirmed]!, { version: 6, history: [...orders[confirmed]!.history, 'orders.confirmed'] }),
      ['transitions'],
      /endings are/,
    ],
    [
      'an order that was cancelled for no reason',
      ({ orders }) => (orders[declined]!.reason = null),
      ['transitions'],
      /is cancelled with reason null/,
    ],
    [
      'an order that was confirmed for a reason',
      ({ orders }) => (orders[confirmed]!.reason = 'deadline_passed'),
      ['transitions'],
      /confirmed with reason deadline_passed/,
    ],
    [
      'an order that was confirmed and nobody had acted',
      ({ orders }) =>
        Object.assign(
          orders[confirmed]!,
          answered('confirmed', ['orders.created', 'orders.confirmed', 'notifications.sent']),
        ),
      ['transitions'],
      /was confirmed unpaid/,
    ],
    [
      'an order of two traces',
      ({ traces }) => traces.get(CONFIRMED)!.add('another'),
      ['traces'],
      /spread over the traces trace-0, another/,
    ],
    ['an order without a trace', ({ traces }) => traces.set(CONFIRMED, new Set(['none'])), ['traces'], /traces none/],
    ['an order with an empty trace', ({ traces }) => traces.set(CONFIRMED, new Set([''])), ['traces'], /is spread/],
  ])('%s', (_, spoil, names, detail, ...[expected]) => {
    const evidence = good();
    spoil(evidence);
    const red = broken(evidence, expected);
    expect(red.map(({ name }) => name)).toEqual(names.map((name) => NAMES[name]));
    expect(red[0]!.detail).toMatch(detail);
  });

  it('and the first five are listed, the others counted', () => {
    const evidence = good();
    const { detail } = broken(evidence, { accepted: Array.from({ length: 8 }, (_, i) => `lost-${i}`) })[0]!;
    expect(detail).toMatch(/lost-0 .*lost-4 .* and 3 more$/);
    expect(detail).not.toContain('lost-5');
  });
});
