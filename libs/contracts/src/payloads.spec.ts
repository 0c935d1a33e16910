import { readFileSync } from 'node:fs';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { CANCEL_REASONS, ceType, events, type EventType, MAX_LINES, MAX_QUANTITY } from './index.js';

const items = [{ sku: 'TEAPOT', quantity: 2 }];
const total = { amount: 9800, currency: 'EUR' };
const email = 'ada@example.com';
const created = {
  customerId: 'customer-1',
  email,
  items,
  total,
  paymentMethod: 'card_ok',
  deadlineAt: '2030-01-01T12:15:00.000Z',
};
const right: Readonly<Record<string, object>> = {
  'orders.created': created,
  'orders.confirmed': { email, total, items },
  'orders.cancelled': { reason: CANCEL_REASONS[0], email, total },
  'payments.completed': { amount: total, items },
  'payments.failed': { reason: 'declined' },
  'payments.refunded': { amount: total },
  'inventory.reserved': { items },
  'inventory.rejected': { shortages: [{ sku: 'TEAPOT', requested: 2, available: 0 }] },
  'inventory.released': { items },
  'notifications.sent': { outcome: 'confirmed', messageId: '<1@x>' },
  'notifications.failed': { outcome: 'cancelled', reason: 'no such mailbox' },
  'timers.deadline': { deadlineAt: created.deadlineAt },
};
/** A sample of an event that carries nothing but text, from its schema; any other event needs one above. */
function plain(type: EventType): object | undefined {
  const file = new URL(`../schemas/${ceType(type)}.json`, import.meta.url);
  const { properties } = JSON.parse(readFileSync(file, 'utf8')) as { properties: Record<string, { type?: string }> };
  if (Object.values(properties).some((property) => property.type !== 'string')) return undefined;
  return Object.fromEntries(Object.keys(properties).map((name) => [name, 'text']));
}
const samples = (Object.keys(events) as EventType[]).map((type) => [type, right[type] ?? plain(type)] as const);

it('every event has a sample', () => {
  expect(samples.flatMap(([type, sample]) => (sample ? [] : [type]))).toEqual([]);
});

/** As the transport does on receipt. */
const problemsOf = (type: EventType, data: object): string[] =>
  validateSync(plainToInstance(events[type].payload as new () => object, data), {
    whitelist: true,
    forbidNonWhitelisted: true,
  }).map(({ property }) => property);

describe.each(samples.flatMap(([type, sample]) => (sample ? [[type, sample] as const] : [])))(
  'what %s carries',
  (type, data) => {
    it('passes when it is all there', () => {
      expect(problemsOf(type, data)).toEqual([]);
    });
    it('is refused when a part is missing, or one too many', () => {
      for (const key of Object.keys(data)) expect(problemsOf(type, { ...data, [key]: undefined })).toEqual([key]);
      expect(problemsOf(type, { ...data, surprise: 1 })).toEqual(['surprise']);
    });
  },
);

describe('an order that was created', () => {
  it.each([
    ['no lines', { items: [] }, 'items'],
    ['too many lines', { items: Array(MAX_LINES + 1).fill(items[0]) }, 'items'],
    ['a quantity of 0', { items: [{ sku: 'TEAPOT', quantity: 0 }] }, 'items'],
    ['a quantity beyond the largest', { items: [{ sku: 'TEAPOT', quantity: MAX_QUANTITY + 1 }] }, 'items'],
    ['half a piece', { items: [{ sku: 'TEAPOT', quantity: 1.5 }] }, 'items'],
    ['a quantity in words', { items: [{ sku: 'TEAPOT', quantity: '2' }] }, 'items'],
    ['a sku that could be a subject', { items: [{ sku: 'TEA*POT >', quantity: 1 }] }, 'items'],
    ['lines that are no list', { items: 'TEAPOT' }, 'items'],
    ['a negative total', { total: { amount: -1, currency: 'EUR' } }, 'total'],
    ['a fraction of a cent', { total: { amount: 0.5, currency: 'EUR' } }, 'total'],
    ['an unknown kind of currency', { total: { amount: 1, currency: 'EURO' } }, 'total'],
    ['an address that is none', { email: 'ada' }, 'email'],
    ['a deadline that is no time', { deadlineAt: 'soon' }, 'deadlineAt'],
    ['a deadline without a zone', { deadlineAt: '2026-11-30T04:00:00' }, 'deadlineAt'],
    ['a deadline in a week', { deadlineAt: '2026-W49' }, 'deadlineAt'],
    ['a deadline on a day of the year', { deadlineAt: '2026-334' }, 'deadlineAt'],
    ['a deadline on the 30th of February', { deadlineAt: '2026-02-30T04:00:00Z' }, 'deadlineAt'],
    ['a deadline without a time', { deadlineAt: '2026-11-30' }, 'deadlineAt'],
    ['a deadline in a leap second', { deadlineAt: '2026-12-31T23:59:60Z' }, 'deadlineAt'],
  ])('is refused with %s', (_, change, property) => {
    expect(problemsOf('orders.created', { ...created, ...change })).toEqual([property]);
  });
});
