import { describe, expect, it } from '@jest/globals';
import { eventually } from './eventually.js';

describe('eventually', () => {
  it('resolves to the value of the first attempt that does not throw', async () => {
    let attempts = 0;
    const value = await eventually(
      () => {
        if (++attempts < 3) throw new Error('not yet');
        return attempts;
      },
      { everyMs: 1 },
    );
    expect(value).toBe(3);
  });

  it('rejects with the last failure when time is up', async () => {
    const failure = new Error('still pending');
    const attempt = eventually(() => Promise.reject(failure), { withinMs: 30, everyMs: 5, what: 'the confirmation' });
    await expect(attempt).rejects.toMatchObject({
      message: 'the confirmation did not come about within 30 ms: still pending',
      cause: failure,
    });
  });

  it('rejects in time when an attempt never settles', async () => {
    await expect(eventually(() => new Promise(() => undefined), { withinMs: 20 })).rejects.toThrow('within 20 ms');
  });
});
