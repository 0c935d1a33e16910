import { setTimeout as sleep } from 'node:timers/promises';
import { PROVISION } from '../consume/binding.js';
import type { BrokerClock } from './broker-clock.js';
import type { JetStreamConnection } from './connection.js';
import { toError } from '../errors.js';
import type { Settings } from '../nest/options.js';

const LOOK_EVERY_MS = 30_000;
const LOOK_AGAIN_MS = 2_000;

/** Looks from time to time whether what failing messages need is there, before the first of them finds out; and at the time. */
export class StoreWatch {
  findings: string[] = [];

  constructor(
    private readonly connection: JetStreamConnection,
    private readonly settings: Pick<Settings, 'deadLetter' | 'attemptsBucket'>,
    private readonly clock: BrokerClock,
  ) {}

  /** Returns how to stop. */
  start(): () => void {
    const stopped = new AbortController();
    void this.look(stopped.signal);
    return () => stopped.abort();
  }

  private async look(signal: AbortSignal): Promise<void> {
    await this.connection.ready().catch(() => undefined);
    while (!signal.aborted) {
      if (this.connection.isConnected) this.findings = await this.lookOnce();
      const pauseMs = this.findings.length > 0 || !this.connection.isConnected ? LOOK_AGAIN_MS : LOOK_EVERY_MS;
      await sleep(pauseMs, undefined, { ref: false, signal }).catch(() => undefined);
    }
  }

  private async lookOnce(): Promise<string[]> {
    const { deadLetter, attemptsBucket } = this.settings;
    const found = await Promise.all([
      this.problemOf(deadLetter.stream, 'dead letters cannot be stored, so failing messages are kept'),
      this.problemOf(`KV_${attemptsBucket}`, 'attempts cannot be counted, so failing messages are kept'),
    ]);
    return found.flatMap((finding) => finding ?? []);
  }

  private async problemOf(stream: string, so: string): Promise<string | undefined> {
    try {
      this.clock.learn((await this.connection.jsm.streams.info(stream)).ts);
      return undefined;
    } catch (error) {
      // That a broker does not answer is another finding.
      if (toError(error).name !== 'StreamNotFoundError') return undefined;
      return `Stream '${stream}' does not exist: ${so}. ${PROVISION}`;
    }
  }
}
