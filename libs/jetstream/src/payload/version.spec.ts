import { isForNewer, toPresent } from './version.js';

const subscription = { stream: 'SAGA', subject: 'orders.created.*', durable: 'd', type: 'orders.created.v2' };
const isLeft = (type: string, storedMsAgo = 0) => isForNewer(type, subscription, storedMsAgo);

describe('an event of a later version than the one that is known', () => {
  it.each(['orders.created.v3', 'orders.created.v10'])('is for a newer instance: %s', (type) => {
    expect(isLeft(type)).toBe(true);
  });

  it('is left for an hour and judged like any other then', () => {
    expect(isLeft('orders.created.v3', 3_590_000)).toBe(true);
    expect(isLeft('orders.created.v3', 3_610_000)).toBe(false);
  });

  it.each(['orders.created.v2', 'orders.created.v1', 'orders.createdv3', 'orders.created', 'payments.failed.v3', ''])(
    'is not: %j',
    (type) => {
      expect(isLeft(type)).toBe(false);
    },
  );

  it('does not exist where no version is asked for', () => {
    expect(isForNewer('orders.created.v9', { ...subscription, type: undefined }, 0)).toBe(false);
  });
});

describe('what an event of an earlier version carries', () => {
  const earlier = {
    'orders.created.v1': (data: Record<string, unknown>) => ({
      ...data,
      channel: (data['via'] as string).toLowerCase(),
    }),
  };

  it('is turned into what the present version carries, which stays as it is', () => {
    expect(toPresent({ via: 'WEB' }, 'orders.created.v1', { ...subscription, earlier })).toEqual({
      via: 'WEB',
      channel: 'web',
    });
    expect(toPresent({ via: 'WEB' }, 'orders.created.v2', { ...subscription, earlier })).toEqual({ via: 'WEB' });
  });

  it('is judged before it is turned into anything', () => {
    expect(() => toPresent({ via: 'WEB\0' }, 'orders.created.v1', { ...subscription, earlier })).toThrow(
      /via must not contain the character/,
    );
  });

  it('is unprocessable when it cannot be', () => {
    expect(() => toPresent({}, 'orders.created.v1', { ...subscription, earlier })).toThrow(
      expect.objectContaining({
        code: 'UNPROCESSABLE',
        message: expect.stringContaining("'orders.created.v1'") as string,
      }),
    );
  });
});
