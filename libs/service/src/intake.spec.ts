import { Intake } from './intake.js';
import { Loop } from './loop.js';

describe('the intake', () => {
  it('stops every loop, also after one that fails, and tells of the failure', async () => {
    const stopped: string[] = [];
    const intake = new Intake();
    intake.add('broken', () => Promise.reject(new Error('stuck')));
    intake.add('sweeper', async () => void stopped.push('sweeper'));
    await expect(intake.stop()).rejects.toThrow('stuck');
    expect(stopped).toEqual(['sweeper']);
  });

  it('refuses a second loop of the same name', () => {
    const intake = new Intake();
    intake.add('sweeper', async () => undefined);
    expect(() => intake.add('sweeper', async () => undefined)).toThrow('sweeper');
  });
});

describe('a loop', () => {
  it('starts at once, goes on after a failed round, and is over when it has stopped', async () => {
    const errors: unknown[] = [];
    let rounds = 0;
    const third = new Promise<void>((resolve) => {
      const loop = new Loop(
        async () => {
          rounds++;
          if (rounds === 1) throw new Error('first');
          if (rounds === 3) void loop.stop().then(resolve);
        },
        { everyMs: 1, onError: (error) => errors.push(error) },
      );
      loop.start();
    });
    await third;
    expect(rounds).toBe(3);
    expect(errors).toEqual([new Error('first')]);
  });

  it('does not wait for its interval when poked', async () => {
    let rounds = 0;
    await new Promise<void>((resolve, reject) => {
      const loop = new Loop(
        async () => {
          rounds++;
          if (rounds === 1) loop.poke();
          else resolve(loop.stop());
        },
        { everyMs: 3_600_000, onError: reject },
      );
      loop.start();
    });
    expect(rounds).toBe(2);
  });
});
