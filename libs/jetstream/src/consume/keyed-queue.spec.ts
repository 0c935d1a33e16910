import { KeyedQueue } from './keyed-queue.js';
import { Semaphore } from './semaphore.js';
import { gate } from '../testing/gate.js';

describe('a keyed queue', () => {
  it('runs tasks of one key in their order and one at a time, also after one of them failed', async () => {
    const queue = new KeyedQueue();
    const steps: string[] = [];
    const first = gate();
    const failing = queue.run('a', async () => {
      steps.push('first starts');
      await first.opened;
      throw new Error('first fails');
    });
    const second = queue.run('a', async () => steps.push('second'));
    await queue.run('b', async () => steps.push('other key'));
    await queue.run(undefined, async () => steps.push('no key'));
    expect(steps).toEqual(['first starts', 'other key', 'no key']);
    first.open();
    await expect(failing).rejects.toThrow('first fails');
    await second;
    expect(steps.at(-1)).toBe('second');
  });

  it('forgets keys that are done', async () => {
    const queue = new KeyedQueue();
    await Promise.all([queue.run('a', async () => 1), queue.run('a', async () => 2), queue.run('b', async () => 3)]);
    await new Promise((resolve) => setImmediate(resolve));
    expect((queue as unknown as { tails: Map<string, unknown> }).tails.size).toBe(0);
  });
});

describe('a semaphore', () => {
  it('lets so many tasks in as it has permits, the others in the order they came', async () => {
    const semaphore = new Semaphore(2);
    const gates = [gate(), gate(), gate(), gate()];
    const started: number[] = [];
    const tasks = gates.map(({ opened }, index) =>
      semaphore.run(async () => {
        started.push(index);
        await opened;
        if (index === 0) throw new Error('a failing task gives its permit back');
      }),
    );
    expect(started).toEqual([0, 1]);
    gates[0]!.open();
    await expect(tasks[0]).rejects.toThrow();
    await new Promise((resolve) => setImmediate(resolve));
    expect(started).toEqual([0, 1, 2]);
    for (const { open } of gates) open();
    await Promise.all(tasks.slice(1));
    expect(started).toEqual([0, 1, 2, 3]);
  });
});
