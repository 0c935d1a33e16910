import { Injectable } from '@nestjs/common';

/**
 * Where an app's background loops (sweepers, reconcilers, pollers) register to be stopped together with the HTTP and
 * event intake, before anything they use is closed.
 */
@Injectable()
export class Intake {
  private readonly loops = new Map<string, () => Promise<void>>();

  /** `stop` starts no further round and resolves when the current one is over. A second loop needs a second name. */
  add(name: string, stop: () => Promise<void>): void {
    if (this.loops.has(name)) throw new TypeError(`an intake loop called ${name} is registered already`);
    this.loops.set(name, stop);
  }

  /** Stops every loop at once; rejects with the first failure after all have answered. */
  async stop(): Promise<void> {
    const results = await Promise.allSettled([...this.loops.values()].map((stop) => stop()));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
  }
}
