import type { JetStreamHealth } from '@pavane/jetstream';
import type { Clocks } from './clocks.js';
import type { ShutdownCoordinator } from './coordinator.js';
import type { DatabaseProbe } from './database-probe.js';

export interface ReadinessReport {
  status: 'ready' | 'unready';
  /** What is missing, one sentence each; empty when ready. */
  reasons: string[];
  /** What does not keep the service from working and has to be looked at: consumers that rest, handlers that hang. */
  findings: string[];
}

/** How old an answer about the database may be, in milliseconds: many probes make one query. */
const FRESH_MS = 500;

/**
 * Whether a service should get work. It always needs its database. It needs the broker too, unless it can accept work
 * without one (`broker: false`): then only until everything it hears has been bound once. And it needs a clock that agrees
 * with theirs.
 */
export class Readiness {
  private asked: { at: number; problem: Promise<string | undefined> } | undefined;

  constructor(
    private readonly database: Pick<DatabaseProbe, 'problem'>,
    private readonly broker: Pick<JetStreamHealth, 'check' | 'everBound'>,
    private readonly clocks: Pick<Clocks, 'problems'>,
    private readonly coordinator: Pick<ShutdownCoordinator, 'isDraining'>,
    private readonly needsBroker: boolean,
  ) {}

  async check(): Promise<ReadinessReport> {
    const reasons: string[] = [];
    if (this.coordinator.isDraining) reasons.push('stopping: no new work is taken');
    const problem = await this.databaseProblem();
    if (problem !== undefined) reasons.push(`database: ${problem}`);
    const { findings } = this.broker.check();
    reasons.push(...this.brokerProblems(), ...this.clocks.problems.map((clock) => `clock: ${clock}`));
    return { status: reasons.length === 0 ? 'ready' : 'unready', reasons, findings };
  }

  private brokerProblems(): string[] {
    const { ok, problems } = this.broker.check();
    if (ok || (!this.needsBroker && this.broker.everBound)) return [];
    return problems.length > 0 ? problems.map((problem) => `broker: ${problem}`) : ['broker: not bound yet'];
  }

  private databaseProblem(): Promise<string | undefined> {
    const now = performance.now();
    if (!this.asked || now - this.asked.at > FRESH_MS) this.asked = { at: now, problem: this.database.problem() };
    return this.asked.problem;
  }
}
