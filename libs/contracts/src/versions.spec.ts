import { events, hears, outboundOf } from './index.js';

const released = { ...events['payments.completed'] };
const upcast = (data: Record<string, unknown>) => ({ ...data, method: 'card' });
afterEach(() => {
  for (const key of ['version', 'earlier']) delete (events['payments.completed'] as Record<string, unknown>)[key];
  Object.assign(events['payments.completed'], released);
});

describe('an event that gets a new version', () => {
  it('is said in the new one', () => {
    Object.assign(events['payments.completed'], { version: 2 });
    const fact = { type: 'payments.completed', data: {} };
    expect(outboundOf('payment')('o1', fact)).toMatchObject({ type: 'payments.completed.v2' });
  });

  it('is heard in the new one and in those earlier ones that name what makes the new one of them', () => {
    const before = hears('inventory', 'payments.completed');
    expect(before).toMatchObject({ type: 'payments.completed.v1' });
    expect(before).not.toHaveProperty('earlier');
    Object.assign(events['payments.completed'], { version: 2, earlier: { 1: upcast } });
    expect(hears('inventory', 'payments.completed')).toEqual({
      ...before,
      type: 'payments.completed.v2',
      earlier: { 'payments.completed.v1': upcast },
    });
  });

  it('keeps its subject and its durables: no message has to move', () => {
    const { subject, durable } = hears('inventory', 'payments.completed');
    Object.assign(events['payments.completed'], { version: 2 });
    expect(hears('inventory', 'payments.completed')).toMatchObject({ subject, durable });
  });
});
