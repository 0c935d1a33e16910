/**
 * Runs tasks of one key one after the other, in the order they came; tasks of different keys do not wait for each
 * other. A task without a key runs at once.
 */
export class KeyedQueue {
  private readonly tails = new Map<string, Promise<unknown>>();

  /** Whether a task of this key runs or waits. */
  isBusy(key: string | undefined): boolean {
    return key !== undefined && this.tails.has(key);
  }

  run<T>(key: string | undefined, task: () => Promise<T>): Promise<T> {
    if (key === undefined) return task();
    const before = this.tails.get(key);
    const result = before ? before.then(task, task) : task();
    this.tails.set(key, result);
    const forget = () => {
      if (this.tails.get(key) === result) this.tails.delete(key);
    };
    result.then(forget, forget);
    return result;
  }
}
