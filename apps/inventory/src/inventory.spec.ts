import { given } from '@pavane/testing';
import fc from 'fast-check';
import {
  decide,
  emptyWarehouse,
  evolve,
  type InventoryFact,
  type InventoryMessage,
  type Reservation,
  type Stock,
  type Warehouse,
} from './inventory.js';

const orderId = '01990000-0000-7000-8000-000000000001';
const another = '01990000-0000-7000-8000-000000000002';
const total = { amount: 9800, currency: 'EUR' };
const email = 'ada@example.com';
const items = [
  { sku: 'TEAPOT', quantity: 2 },
  { sku: 'CUP', quantity: 6 },
];
const shelves = (pieces: Record<string, number>): Warehouse => ({
  reservations: new Map(),
  stock: new Map(Object.entries(pieces).map(([sku, available]) => [sku, { available, reserved: 0, sold: 0 }])),
});
const stocked = given({ initial: emptyWarehouse, decide, evolve }, 'warehouse').from(shelves({ TEAPOT: 5, CUP: 10 }));

const paidFor = (id: string, lines = items): InventoryMessage => ({
  type: 'payments.completed',
  orderId: id,
  data: { amount: total, items: lines },
});
const paid = paidFor(orderId);
const confirmed: InventoryMessage = { type: 'orders.confirmed', orderId, data: { email, total, items } };
const cancelled: InventoryMessage = {
  type: 'orders.cancelled',
  orderId,
  data: { reason: 'deadline_passed', email, total },
};
const reserved: InventoryFact = { type: 'inventory.reserved', data: { items } };
const released: InventoryFact = { type: 'inventory.released', data: { items } };
const rejected = (...shortages: { sku: string; requested: number; available: number }[]): InventoryFact => ({
  type: 'inventory.rejected',
  data: { shortages },
});
const pieces = ({ stock }: Warehouse, sku: string): Stock | undefined => stock.get(sku);

it('begins with a warehouse that has nothing', () => {
  expect(emptyWarehouse()).toEqual({ reservations: new Map(), stock: new Map() });
});

describe('a paid order', () => {
  it('has all of its lines set aside', () => {
    stocked.when(paid).then(reserved);
    const { state } = stocked.after(paid);
    expect(pieces(state, 'TEAPOT')).toEqual({ available: 3, reserved: 2, sold: 0 });
    expect(pieces(state, 'CUP')).toEqual({ available: 4, reserved: 6, sold: 0 });
  });

  it('gets the last piece', () => {
    stocked
      .from(shelves({ TEAPOT: 2, CUP: 6 }))
      .when(paid)
      .then(reserved);
  });

  it('is rejected as a whole when one line is short, and nothing is set aside', () => {
    const scarce = stocked.from(shelves({ TEAPOT: 5, CUP: 5 }));
    scarce.when(paid).then(rejected({ sku: 'CUP', requested: 6, available: 5 }));
    const { state } = scarce.after(paid);
    expect(state.stock).toEqual(shelves({ TEAPOT: 5, CUP: 5 }).stock);
    expect(state.reservations.get(orderId)?.status).toBe('rejected');
  });

  it('hears of every line that is short', () => {
    stocked
      .from(shelves({ TEAPOT: 0, CUP: 5 }))
      .when(paid)
      .then(rejected({ sku: 'TEAPOT', requested: 2, available: 0 }, { sku: 'CUP', requested: 6, available: 5 }));
  });

  it('is rejected for a product nobody has', () => {
    stocked
      .when(paidFor(orderId, [{ sku: 'UNICORN', quantity: 1 }]))
      .then(rejected({ sku: 'UNICORN', requested: 1, available: 0 }));
  });

  it('counts two lines of one product together', () => {
    const lines = [
      { sku: 'TEAPOT', quantity: 3 },
      { sku: 'TEAPOT', quantity: 3 },
    ];
    stocked.when(paidFor(orderId, lines)).then(rejected({ sku: 'TEAPOT', requested: 6, available: 5 }));
    const enough = stocked.from(shelves({ TEAPOT: 6 }));
    enough.when(paidFor(orderId, lines)).then({ type: 'inventory.reserved', data: { items: lines } });
    expect(pieces(enough.after(paidFor(orderId, lines)).state, 'TEAPOT')).toEqual({
      available: 0,
      reserved: 6,
      sold: 0,
    });
  });

  it('does not get what another order has', () => {
    stocked
      .after(paidFor(another, [{ sku: 'TEAPOT', quantity: 4 }]))
      .when(paid)
      .then(rejected({ sku: 'TEAPOT', requested: 2, available: 1 }));
  });

  it('gets what another order gave back', () => {
    const back = { ...cancelled, orderId: another } as InventoryMessage;
    stocked
      .after(paidFor(another, [{ sku: 'TEAPOT', quantity: 4 }]), back)
      .when(paid)
      .then(reserved);
  });
});

describe('a paid order that is heard again under another id', () => {
  it('has its reservation said again, and no piece is set aside twice', () => {
    const once = stocked.after(paid);
    once.when(paid).then(reserved);
    expect(once.when(paid).state.stock).toEqual(once.state.stock);
  });

  it('stays rejected although the stock has come since', () => {
    const missed = stocked.from(shelves({ TEAPOT: 1, CUP: 10 })).after(paid).state;
    const restocked = stocked.from({ ...missed, stock: shelves({ TEAPOT: 9, CUP: 9 }).stock });
    const { facts, state } = restocked.when(paid);
    expect(facts).toMatchObject([
      { type: 'inventory.rejected', data: { shortages: [{ sku: 'TEAPOT', requested: 2 }] } },
    ]);
    expect(state.stock).toEqual(restocked.state.stock);
  });

  it('says nothing once the order is over', () => {
    stocked.after(paid, confirmed).when(paid).thenNothing();
    stocked.after(paid, cancelled).when(paid).thenNothing();
  });
});

describe('a confirmed order', () => {
  it('turns what was reserved into sold', () => {
    stocked.after(paid).when(confirmed).then({ type: 'sold' });
    expect(pieces(stocked.after(paid, confirmed).state, 'CUP')).toEqual({ available: 4, reserved: 0, sold: 6 });
  });
  it('is sold once', () => {
    stocked.after(paid, confirmed).when(confirmed).thenNothing();
  });
  it.each([
    ['nothing was reserved', [], /, but its stock is not reserved$/],
    ['it was rejected', [paidFor(orderId, [{ sku: 'UNICORN', quantity: 1 }])], /, but its stock is rejected$/],
    ['it was released', [paid, cancelled], /, but its stock is released$/],
    ['it was refused', [cancelled], /, but its stock is refused$/],
  ])('breaks a rule when %s, and it says so', (_, before, saying) => {
    stocked
      .after(...before)
      .when(confirmed)
      .thenThrows(saying);
  });
});

describe('a cancelled order', () => {
  it('gives back what was reserved', () => {
    stocked.after(paid).when(cancelled).then(released);
    expect(stocked.after(paid, cancelled).state.stock).toEqual(stocked.state.stock);
  });
  it('has its release said again, and gives back once', () => {
    stocked.after(paid, cancelled).when(cancelled).then(released);
    expect(stocked.after(paid, cancelled, cancelled).state.stock).toEqual(stocked.state.stock);
  });
  it('that was never reserved leaves a tombstone, and the payment that comes late reserves nothing', () => {
    stocked.when(cancelled).then({ type: 'refused' });
    expect(stocked.after(cancelled).state.reservations.get(orderId)).toEqual({ status: 'refused', items: [] });
    stocked.after(cancelled).when(paid).thenNothing();
    stocked.after(cancelled).when(cancelled).thenNothing();
  });
  it('that was rejected has nothing to give back', () => {
    stocked.from(shelves({})).after(paid).when(cancelled).thenNothing();
  });
  it('that was sold keeps what it bought', () => {
    stocked.after(paid, confirmed).when(cancelled).thenNothing();
  });
});

describe('any sequence of messages about any orders', () => {
  const ids = ['a', 'b', 'c'];
  const skus = ['TEAPOT', 'CUP'];
  const lines = fc.array(
    fc.record({ sku: fc.constantFrom(...skus, 'UNICORN'), quantity: fc.integer({ min: 1, max: 4 }) }),
    {
      minLength: 1,
      maxLength: 4,
    },
  );
  const messages = fc.array(
    fc.oneof(
      fc.record({ id: fc.constantFrom(...ids), lines }).map((m) => paidFor(m.id, m.lines)),
      fc.constantFrom(...ids).map((id): InventoryMessage => ({ ...confirmed, orderId: id })),
      fc.constantFrom(...ids).map((id): InventoryMessage => ({ ...cancelled, orderId: id })),
    ),
    { maxLength: 30 },
  );
  const legal: Record<Reservation['status'] | 'none', string[]> = {
    none: ['refused', 'reserved', 'rejected'],
    reserved: ['sold', 'released'],
    refused: [],
    rejected: [],
    released: [],
    sold: [],
  };

  it('neither loses nor makes a piece, sets aside only for orders that are open, and moves along legal transitions', () => {
    fc.assert(
      fc.property(messages, fc.integer({ min: 0, max: 8 }), (heard, pieceCount) => {
        let state = shelves({ TEAPOT: pieceCount, CUP: pieceCount });
        for (const message of heard) {
          const before = state.reservations.get(message.orderId)?.status ?? 'none';
          let facts: readonly InventoryFact[];
          try {
            facts = decide(message, state, new Date());
          } catch {
            continue; // a confirmation nobody earned: a broken rule, and nothing of it is kept
          }
          for (const fact of facts) state = evolve(state, fact, message.orderId);
          const after = state.reservations.get(message.orderId)?.status ?? 'none';
          if (after !== before) expect(legal[before]).toContain(after);

          for (const sku of skus) {
            const { available, reserved: aside, sold } = pieces(state, sku)!;
            expect(available + aside + sold).toBe(pieceCount);
            expect(Math.min(available, aside, sold)).toBeGreaterThanOrEqual(0);
            expect([aside, sold]).toEqual([held(state, 'reserved', sku), held(state, 'sold', sku)]);
          }
        }
      }),
    );
  });

  it('leaves nothing reserved once every order has ended', () => {
    fc.assert(
      fc.property(messages, fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }), (heard, sold) => {
        let scenario = stocked;
        for (const message of heard) {
          try {
            scenario = scenario.after(message);
          } catch {
            continue;
          }
        }
        ids.forEach((id, i) => {
          const ends = { ...(sold[i] ? confirmed : cancelled), orderId: id } as InventoryMessage;
          if (scenario.state.reservations.get(id)?.status === 'reserved') scenario = scenario.after(ends);
        });
        for (const sku of skus) expect(pieces(scenario.state, sku)!.reserved).toBe(0);
      }),
    );
  });

  const held = ({ reservations }: Warehouse, status: Reservation['status'], sku: string): number =>
    [...reservations.values()]
      .filter((r) => r.status === status)
      .flatMap((r) => r.items)
      .reduce((sum, item) => sum + (item.sku === sku ? item.quantity : 0), 0);
});
