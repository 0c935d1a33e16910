import { Logger } from '@nestjs/common';
import { ShutdownCoordinator } from './coordinator.js';

beforeAll(() => Logger.overrideLogger(false));
afterAll(() => Logger.overrideLogger(['log']));

describe('a stop', () => {
  it('runs the steps one after the other, once, and exits with 0', async () => {
    const done: string[] = [];
    const { coordinator, exits } = make();
    coordinator.step('one', async () => done.push('one')).step('two', async () => done.push('two'));
    expect(coordinator.isDraining).toBe(false);
    await Promise.all([coordinator.stop('test'), coordinator.stop('again')]);
    expect(coordinator.isDraining).toBe(true);
    expect(done).toEqual(['one', 'two']);
    expect(exits).toEqual([0]);
  });

  it('goes on after a step that fails, and exits with 1', async () => {
    const done: string[] = [];
    const { coordinator, exits } = make();
    coordinator.step('one', () => Promise.reject(new Error('broken'))).step('two', async () => done.push('two'));
    await coordinator.stop('test');
    expect(done).toEqual(['two']);
    expect(exits).toEqual([1]);
  });

  it('survives a step that throws before it promises anything', async () => {
    const { coordinator, exits } = make();
    coordinator.step('one', () => {
      throw new Error('broken');
    });
    await coordinator.stop('test');
    expect(exits).toEqual([1]);
  });

  it('exits with 1 when its deadline passes', async () => {
    let exited: (code: number) => void = () => undefined;
    const exit = new Promise<number>((resolve) => (exited = resolve));
    const coordinator = new ShutdownCoordinator({ deadlineMs: 10, exit: exited });
    coordinator.step('for ever', () => new Promise(() => undefined));
    void coordinator.stop('test');
    expect(await exit).toBe(1);
  });
});

function make(): { coordinator: ShutdownCoordinator; exits: number[] } {
  const exits: number[] = [];
  return { coordinator: new ShutdownCoordinator({ deadlineMs: 1000, exit: (code) => exits.push(code) }), exits };
}
