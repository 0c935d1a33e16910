import type { ChargeRequest } from './requests.js';

interface Slow {
  request: ChargeRequest;
  timer: NodeJS.Timeout;
  settled: PromiseWithResolvers<'decided' | 'abandoned'>;
}

/**
 * Charges that are pending until their time has passed. They live in memory only: no money was taken, and a caller
 * who finds none after a restart sends the charge again.
 */
export class SlowCharges {
  private readonly slow = new Map<string, Slow>();

  private closed = false;

  constructor(private readonly delayMs: number) {}

  request(key: string): ChargeRequest | undefined {
    return this.slow.get(key)?.request;
  }

  /** Decides the charge when its time has passed, unless it was cancelled before. */
  start(request: ChargeRequest, decide: () => void): void {
    const timer = setTimeout(() => {
      decide();
      this.settle(request.key, 'decided');
    }, this.delayMs);
    this.slow.set(request.key, { request, timer, settled: Promise.withResolvers() });
    if (this.closed) this.close();
  }

  /** Resolves for everybody who waits for this key. */
  async settled(key: string): Promise<'decided' | 'abandoned'> {
    return (await this.slow.get(key)?.settled.promise) ?? (this.closed ? 'abandoned' : 'decided');
  }

  /** The caller has decided it otherwise. */
  cancel(key: string): void {
    this.settle(key, 'decided');
  }

  /** Abandons all, and from now on every new one. */
  close(): void {
    this.closed = true;
    for (const key of this.slow.keys()) this.settle(key, 'abandoned');
  }

  private settle(key: string, how: 'decided' | 'abandoned'): void {
    const charge = this.slow.get(key);
    if (!charge) return;
    clearTimeout(charge.timer);
    this.slow.delete(key);
    charge.settled.resolve(how);
  }
}
