import {
  answersTo,
  ceType,
  events,
  type EventType,
  expectedAfter,
  heardBy,
  saidBy,
  SERVICES,
  sourceOf,
} from './index.js';

const types = Object.keys(events) as EventType[];

describe('the saga', () => {
  it.each(types)('has %s said by one service', (type) => {
    expect(SERVICES.filter((service) => saidBy(service).includes(type))).toEqual([sourceOf(type)]);
  });

  it.each(types)('has somebody who hears %s', (type) => {
    expect(SERVICES.filter((service) => heardBy(service).includes(type))).not.toEqual([]);
  });

  it('hears nothing that is no event', () => {
    expect(SERVICES.flatMap(heardBy).filter((type) => !types.includes(type))).toEqual([]);
  });

  it('leaves the ending of an order to order alone', () => {
    for (const ending of ['orders.confirmed', 'orders.cancelled'] as const) expect(sourceOf(ending)).toBe('order');
  });

  it('has every act that is undone heard by whoever did it', () => {
    expect(heardBy('payment')).toContain('orders.cancelled');
    expect(heardBy('inventory')).toContain('orders.cancelled');
    expect(saidBy('payment')).toContain('payments.refunded');
    expect(saidBy('inventory')).toContain('inventory.released');
  });

  it('knows what has to be heard after an ending: one of each choice, and of undoing only what there may be', () => {
    const told = ['notifications.sent', 'notifications.failed'];
    expect(answersTo('orders.cancelled')).toEqual(
      expect.arrayContaining([
        { service: 'payment', answers: ['payments.refunded'] },
        { service: 'inventory', answers: ['inventory.released'] },
        { service: 'notification', answers: told },
      ]),
    );
    expect(expectedAfter('orders.confirmed', [])).toContainEqual(told);
    for (const answer of told) expect(expectedAfter('orders.confirmed', [answer])).not.toContainEqual(told);
    for (const [done, undone] of [
      ['payments.completed', 'payments.refunded'],
      ['inventory.reserved', 'inventory.released'],
    ] as const) {
      expect(expectedAfter('orders.cancelled', [])).not.toContainEqual([undone]);
      expect(expectedAfter('orders.cancelled', [done])).toContainEqual([undone]);
      expect(expectedAfter('orders.cancelled', [done, undone])).not.toContainEqual([undone]);
    }
  });

  it('tells the customer of every ending', () => {
    expect(heardBy('notification')).toEqual(['orders.confirmed', 'orders.cancelled']);
  });

  it('names each event by domain, event and version', () => {
    for (const type of types) expect(ceType(type)).toMatch(/^[a-z]+\.[a-z-]+\.v\d+$/);
    expect(ceType('orders.created')).toBe('orders.created.v1');
  });
});
