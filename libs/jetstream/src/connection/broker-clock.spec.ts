import { BrokerClock } from './broker-clock.js';

describe('the clock of the broker', () => {
  it('is what it said last and the time since, whatever this process takes for the time', () => {
    const clock = new BrokerClock();
    expect(Math.abs(clock.now() - Date.now())).toBeLessThan(1_000);
    clock.learn('2030-01-01T00:00:00.5Z');
    const passed = clock.now() - Date.parse('2030-01-01T00:00:00.5Z');
    expect(passed).toBeGreaterThanOrEqual(0);
    expect(passed).toBeLessThan(1_000);
  });

  it('stays as it was when an answer says nothing', () => {
    const clock = new BrokerClock();
    clock.learn('2030-01-01T00:00:00Z');
    clock.learn(undefined);
    expect(new Date(clock.now()).getUTCFullYear()).toBe(2030);
  });
});
