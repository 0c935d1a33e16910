import { covers } from './provisioning/danger.js';
import { defaultDurable, lastToken, subjectMatches } from './subject.js';
import { isUuidV7, uuidv7 } from './publish/uuid.js';

describe('a subject', () => {
  it.each([
    ['a.b', 'a.b', true],
    ['a.*', 'a.b', true],
    ['a.*', 'a.b.c', false],
    ['a.>', 'a.b.c', true],
    ['a.>', 'a', false],
    ['>', 'a', true],
    ['*.b', 'a.b', true],
    ['a.b', 'a.c', false],
    ['a.b.c', 'a.b', false],
  ])('%s matches %s: %s', (pattern, subject, holds) => {
    expect(subjectMatches(pattern, subject)).toBe(holds);
  });

  it.each([
    ['a.>', 'a.*', true],
    ['a.*', 'a.b', true],
    ['a.b', 'a.*', false],
    ['a.*', 'a.>', false],
    ['a.>', 'a.>', true],
    ['>', 'a', true],
    ['a.*', 'b.c', false],
    ['a.*.c', 'a.b', false],
  ])('everything of %s2 is in %s: %s', (wide, narrow, holds) => {
    expect(covers(wide, narrow)).toBe(holds);
  });

  it('has a last token, which is its key', () => {
    expect(lastToken('orders.created.o1')).toBe('o1');
    expect(lastToken('one')).toBe('one');
  });

  it('gives a durable its name, unless it has a wildcard in the middle', () => {
    expect(defaultDurable('payment', 'orders.created.*')).toBe('payment_orders-created');
    expect(defaultDurable('payment', 'orders.>')).toBe('payment_orders');
    expect(() => defaultDurable('payment', 'orders.*.created')).toThrow(/wildcard in the middle/);
  });
});

describe('a UUIDv7', () => {
  it('begins with its time, is valid and differs each time', () => {
    const id = uuidv7(0x0198_1234_5678);
    expect(id.startsWith('01981234-5678-7')).toBe(true);
    expect(isUuidV7(id)).toBe(true);
    expect(uuidv7()).not.toBe(uuidv7());
    expect(isUuidV7('7f9c24e8-3b12-4fef-91d4-1f1c2d3e4f50')).toBe(false);
  });
});
