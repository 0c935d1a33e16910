import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { eventually } from '@pavane/testing';
import { eventsOf, Platform } from './harness/platform.js';

jest.setTimeout(120_000);

let platform: Platform;
beforeAll(async () => {
  platform = await Platform.start({ orderDeadline: '4s' });
});
afterAll(() => platform?.[Symbol.asyncDispose]());

const shelf = async (sku: string) =>
  (
    await platform.sql<{ available: number; reserved: number }>('inventory', 'SELECT * FROM stock WHERE sku = $1', [
      sku,
    ])
  )[0]!;
const reservation = async (id: string): Promise<string | undefined> =>
  (await platform.sql<{ status: string }>('inventory', 'SELECT status FROM reservations WHERE order_id = $1', [id]))[0]
    ?.status;
const reservationBecomes = (id: string, status: string) =>
  eventually(async () => expect(await reservation(id)).toBe(status), { what: `a reservation that is ${status}` });

describe('when the deadline comes first', () => {
  it('a reservation that arrives late changes nothing: stock is released, money refunded', async () => {
    await platform.broker.hold('order_inventory-reserved');
    const { id } = await platform.place({ items: [{ sku: 'LANTERN', quantity: 7 }] });
    await reservationBecomes(id, 'reserved');
    const order = await platform.ended(id, ['payments.refunded', 'inventory.released']);
    expect(order).toMatchObject({ status: 'cancelled', reason: 'deadline_passed' });
    await platform.broker.release('order_inventory-reserved');
    const late = await platform.ended(id, ['inventory.reserved']);
    expect(late).toMatchObject({ status: 'cancelled', reason: 'deadline_passed' });
    expect(eventsOf(late)).not.toContain('orders.confirmed');
    expect(await shelf('LANTERN')).toMatchObject({ available: 1_000_000, reserved: 0 });
    expect(await platform.charge(id)).toMatchObject({ captures: 1, refunded: order.total.amount });
  });

  it('an inventory that was away finds a tombstone or releases: the order stays cancelled', async () => {
    await platform.service('inventory').stop();
    const { id } = await platform.place({ items: [{ sku: 'LANTERN', quantity: 7 }] });
    const order = await platform.ended(id, ['payments.refunded']);
    expect(order).toMatchObject({ status: 'cancelled', reason: 'deadline_passed' });
    await platform.service('inventory').start();
    await platform.holds();
    expect(['refused', 'released']).toContain(await reservation(id));
    expect(await platform.http.read(id)).toMatchObject({ status: 'cancelled', reason: 'deadline_passed' });
    expect(await shelf('LANTERN')).toMatchObject({ available: 1_000_000, reserved: 0 });
  });

  it('inventory that hears of the cancellation first leaves a tombstone and refuses the late reservation', async () => {
    await platform.broker.hold('inventory_payments-completed');
    const { id } = await platform.place();
    await reservationBecomes(id, 'refused');
    await platform.broker.release('inventory_payments-completed');
    await platform.holds();
    expect(await reservation(id)).toBe('refused');
    expect(eventsOf(await platform.http.read(id))).not.toContain('inventory.reserved');
  });

  it('no charge is started any more', async () => {
    await platform.broker.hold('payment_orders-created', 'payment_orders-cancelled');
    const { id } = await platform.place();
    await platform.ended(id);
    await platform.broker.release('payment_orders-created');
    const order = await platform.ended(id, ['payments.failed']);
    await platform.broker.release('payment_orders-cancelled');
    expect(order).toMatchObject({ status: 'cancelled', reason: 'deadline_passed' });
    expect(await platform.charge(id)).toBeUndefined();
    await platform.holds();
  });
});

describe('the deadline', () => {
  it('comes although its timer is lost', async () => {
    await platform.broker.hold('order_timers-deadline', 'inventory_payments-completed');
    const { id } = await platform.place();
    const order = await platform.ended(id, ['payments.refunded']);
    expect(order).toMatchObject({ status: 'cancelled', reason: 'deadline_passed' });
    await platform.broker.release('order_timers-deadline', 'inventory_payments-completed');
    await platform.holds();
  });

  it('does nothing to an order that has ended', async () => {
    const { id, deadlineAt } = await platform.place();
    const before = await platform.ended(id, ['notifications.sent']);
    await eventually(() => expect(Date.now()).toBeGreaterThan(Date.parse(deadlineAt) + 200));
    await eventually(async () => expect(await platform.broker.waiting('order_timers-deadline')).toBe(0));
    expect(await platform.http.read(id)).toEqual(before);
  });
});

/** Orders that order has yet to hear the reservation of; placed again where the machine was too busy to reserve in time. */
async function reservedBeforeDeadline(count: number) {
  for (;;) {
    await platform.broker.hold('order_inventory-reserved');
    const orders = await Promise.all(Array.from({ length: count }, () => platform.place()));
    const deadlines = orders.map(({ deadlineAt }) => Date.parse(deadlineAt));
    const [first, last] = [Math.min(...deadlines), Math.max(...deadlines)];
    while (Date.now() < first) {
      if ((await platform.broker.waiting('order_inventory-reserved')) === count) return { orders, first, last };
    }
    await platform.broker.release('order_inventory-reserved');
    await platform.holds();
  }
}

it('a deadline, a customer and a reservation that race for 60 orders end each of them once', async () => {
  const { orders, first, last } = await reservedBeforeDeadline(60);
  await eventually(() => expect(Date.now()).toBeGreaterThan(first + (last - first) / 2 - 20), { everyMs: 1 });
  const customers = orders.filter((_, n) => n % 2 === 0);
  const [answers] = await Promise.all([
    Promise.all(customers.flatMap(({ id }) => [platform.http.cancel(id), platform.http.cancel(id)])),
    platform.broker.release('order_inventory-reserved'),
  ]);
  const { outcomes } = await platform.holds({ accepted: orders.map(({ id }) => id) });
  const ended = await Promise.all(orders.map(({ id }) => platform.http.read(id)));
  for (const order of ended)
    expect(eventsOf(order).filter((event) => /^orders\.(confirmed|cancelled)$/.test(event))).toHaveLength(1);
  // Both customers of an order were told what became of it, and the same.
  for (const [n, { id }] of customers.entries()) {
    const { reason } = ended.find((order) => order.id === id)!;
    const told = reason === 'customer_request' ? 200 : 409;
    expect([answers[2 * n]!.status, answers[2 * n + 1]!.status]).toEqual([told, told]);
  }
  expect(outcomes.confirmed + outcomes.deadline_passed).toBeGreaterThan(0);
});
