import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { flags, type Service } from '@pavane/contracts';
import { setFlag } from '@pavane/flags';
import { audit, freePorts, LocalPlatform, type PlatformOptions, type Settings } from '@pavane/tools';
import { Pool } from 'pg';
import { answeredTooOften } from './answers.js';
import { Clients } from './clients.js';
import type { Fault, Stage } from './faults/fault.js';
import { watchMemory } from './memory.js';
import { type Random, randomOf } from './random.js';

/** What became of one fault. */
export interface Outcome {
  name: string;
  about: string;
  seed: number;
  orders: number;
  kills: number;
  /** From the first customer to the heal, in milliseconds. */
  lastedMs: number;
  /** From the heal until every order accepted before it had ended, in milliseconds. */
  recoveredMs: number;
  /** The most memory any process of a service held, in MB. */
  rssMb: number;
  violations: string[];
  /** What it saw that a reader of the results should know: how much a broker lost. */
  notes: string[];
  /** Where the logs and data of a scene with violations are. */
  keptIn?: string;
  /** Why it was not run. */
  skipped?: string;
}

export interface PlayOptions {
  /** Repeats what was drawn in an earlier run. */
  seed: number;
  /** Where to write what customers asked and were answered. */
  historyFile?: string | undefined;
  /** Other entry modules than the services' own. */
  entries?: PlatformOptions['entries'];
}

/** All orders accepted before the heal have ended so soon after it. */
const RECOVERS_WITHIN_MS = 30_000;
/** And everything has come to rest so soon after that: sooner than the sweeper would help. */
const RESTS_WITHIN_MS = 45_000;
/** How long the sweeper waits for an ending to be acted on. */
const SAID_AGAIN_AFTER_MS = 60_000;
const PER_SECOND = 20;

/** A platform of its own on which one fault is played: customers keep coming, something breaks, heals, and is audited. */
export class Scene {
  /** SIGKILLs so far, of processes of services and of servers. */
  readonly kills = { services: 0, servers: 0 };
  /** Poison that was injected: how many dead letters each durable must hold in the end. */
  readonly deadLetters: Record<string, number> = {};
  /** What a fault found wrong by itself, beyond the invariants. */
  readonly violations: string[] = [];
  readonly notes: string[] = [];
  #nc: NatsConnection | undefined;
  readonly #pools = new Map<Service, Pool>();

  private constructor(
    readonly platform: LocalPlatform,
    readonly clients: Clients,
    readonly random: Random,
    /** Processes that died unasked, and how. */
    private readonly deaths: readonly string[],
  ) {}

  /** Plays a fault, and resolves to what became of it. */
  static async play(fault: Fault, { seed, historyFile, entries }: PlayOptions): Promise<Outcome> {
    const { name, about } = fault;
    const outcome: Outcome = {
      name,
      about,
      seed,
      orders: 0,
      kills: 0,
      lastedMs: 0,
      recoveredMs: 0,
      rssMb: 0,
      violations: [],
      notes: [],
    };
    const skipped = fault.needs === 'root' && process.getuid?.() !== 0 ? 'needs root' : await fault.unmet?.();
    if (skipped) return { ...outcome, skipped };

    const dir = mkdtempSync(join(tmpdir(), 'pavane-prove-'));
    // PostgreSQL may run under an account of its own, which has to get in.
    chmodSync(dir, 0o755);
    const ports = await freePorts();
    const plain: Settings = { dir, ports, orderDeadline: '60s', slowChargeMs: 6000, env: {} };
    let stage: Stage = {};
    let platform: LocalPlatform | undefined;
    try {
      stage = (await fault.stage?.({ settings: plain, seed })) ?? {};
      const deaths: string[] = [];
      const onDeath = (who: string, how: string) => deaths.push(`${who} (${how})`);
      platform = await LocalPlatform.start(
        { ...plain, ...stage.settings },
        { ...stage.options, ...(entries && { entries }), onDeath },
      );
      const random = randomOf(seed, name);
      const clients = new Clients(() => platform!.addresses.http.order, random, stage.wishes);
      const scene = new Scene(platform, clients, random, deaths);
      try {
        await scene.#run(fault, stage, outcome);
      } finally {
        if (historyFile) clients.history.write(historyFile);
        await scene.#close();
      }
    } catch (error) {
      outcome.violations.push(`the platform could not be set up: ${(error as Error).message}`);
    } finally {
      await platform
        ?.stop()
        .catch((error: Error) => outcome.violations.push(`it could not be stopped: ${error.message}`));
      await stage.dispose?.();
      // A violation keeps what it is to be understood by.
      if (outcome.violations.length === 0) rmSync(dir, { recursive: true, force: true });
      else outcome.keptIn = dir;
    }
    return outcome;
  }

  async #run(fault: Fault, { perSecond = PER_SECOND, mostWaiting }: Stage, outcome: Outcome): Promise<void> {
    const memory = watchMemory(this.platform);
    const started = performance.now();
    const stopComing = perSecond > 0 ? this.clients.keepComing(perSecond, mostWaiting) : () => undefined;
    try {
      if (perSecond > 0) await this.accepted(perSecond);
      await fault.run(this);
      const healed = performance.now();
      outcome.lastedMs = Math.round(healed - started);
      stopComing();
      await this.clients.settled();
      const pending = await this.#ended();
      outcome.recoveredMs = Math.round(performance.now() - healed);
      if (pending > 0)
        this.violations.push(`${pending} orders had not ended ${RECOVERS_WITHIN_MS / 1000} s after the heal`);
      else if (outcome.recoveredMs > RECOVERS_WITHIN_MS)
        this.violations.push(
          `it took ${Math.round(outcome.recoveredMs / 1000)} s until every customer was answered and every order had ended`,
        );
      this.violations.push(
        ...(await this.#broken(RESTS_WITHIN_MS)),
        ...(await answeredTooOften(this)).slice(0, 3),
        ...(await this.#saidAgain(performance.now() - started)),
        ...this.platform.refusals().slice(0, 3),
      );
      await fault.judge?.(this);
      if (this.deaths.length > this.kills.services)
        this.violations.push(`died, and not by our hand: ${this.deaths.slice(this.kills.services).join(', ')}`);
    } catch (error) {
      this.violations.push(`it could not be played to the end: ${(error as Error).message}`);
    } finally {
      stopComing();
      Object.assign(outcome, {
        orders: this.clients.accepted.length,
        kills: this.kills.services + this.kills.servers,
        violations: this.violations,
        notes: this.notes,
        rssMb: memory(),
      });
    }
  }

  /** SIGKILLs a service; it is started again, as a supervisor would. */
  kill(service: Service): void {
    this.kills.services++;
    this.platform.services.get(service)!.signal('SIGKILL');
  }

  /** Resolves when so many more orders have been accepted than were when it was called. */
  async accepted(more: number, withinMs = 60_000): Promise<void> {
    const goal = this.clients.accepted.length + more;
    await this.until(`${more} more orders accepted`, () => this.clients.accepted.length >= goal, withinMs);
  }

  /** Resolves when a condition holds; rejects when it does not in time. An error of the condition counts as no. */
  async until(what: string, holds: () => boolean | Promise<boolean>, withinMs = 30_000): Promise<void> {
    const deadline = Date.now() + withinMs;
    for (;;) {
      let last: unknown;
      try {
        if (await holds()) return;
      } catch (error) {
        last = error;
      }
      if (Date.now() > deadline)
        throw new Error(`not within ${withinMs / 1000} s: ${what}${last ? ` (${(last as Error).message})` : ''}`);
      await delay(50);
    }
  }

  /** Resolves when nothing waits anywhere and every invariant holds; rejects with those that do not in time. */
  async rests(withinMs = 60_000): Promise<void> {
    await this.clients.settled();
    const broken = await this.#broken(withinMs);
    if (broken.length > 0) throw new Error(broken.join('; '));
  }

  /** Lets customers come for so long. */
  lasts(ms: number): Promise<void> {
    return delay(ms);
  }

  /** A connection with full rights. */
  async nc(): Promise<NatsConnection> {
    if (!this.#nc || this.#nc.isClosed())
      this.#nc = await connect({
        servers: this.platform.addresses.nats.split(','),
        maxReconnectAttempts: -1,
        reconnectTimeWait: 100,
        timeout: 5000,
      });
    return this.#nc;
  }

  async jsm(): Promise<JetStreamManager> {
    return jetstreamManager(await this.nc(), { checkAPI: false });
  }

  async setFlag(key: keyof typeof flags, value: boolean | number): Promise<void> {
    await setFlag(await this.nc(), flags, key, JSON.stringify(value));
  }

  /** Switches faults of the payment provider or the mail sink on; none, to switch all off. */
  async faults(of: 'provider' | 'mail', faults?: object): Promise<void> {
    const url = `${this.platform.addresses[of]}/faults`;
    const response = await fetch(url, faults ? { method: 'POST', body: JSON.stringify(faults) } : { method: 'DELETE' });
    if (!response.ok) throw new Error(`faults were refused: ${await response.text()}`);
  }

  /** Asks a service's database. */
  async sql<Row>(service: Service, text: string, values: unknown[] = []): Promise<Row[]> {
    let pool = this.#pools.get(service);
    if (!pool) {
      pool = new Pool({ connectionString: this.platform.addresses.databases[service], max: 2 });
      // What is broken here is meant to be.
      pool.on('error', () => undefined);
      this.#pools.set(service, pool);
    }
    return (await pool.query(text, values)).rows as Row[];
  }

  /** The invariants that do not hold, even when they are given so long. */
  async #broken(withinMs: number): Promise<string[]> {
    const { accepted } = this.clients;
    const { invariants } = await audit(this.platform.addresses, { withinMs, accepted, deadLetters: this.deadLetters });
    return invariants.filter(({ holds }) => !holds).map(({ name, detail }) => `${name}: ${detail}`);
  }

  /** Waits until every accepted order has ended, as long as a recovery may take; resolves to how many have not. */
  async #ended(): Promise<number> {
    const deadline = Date.now() + RECOVERS_WITHIN_MS;
    for (;;) {
      const [row] = await this.sql<{ n: number }>(
        'order',
        `SELECT count(*)::int AS n FROM orders WHERE status = 'pending'`,
      ).catch(() => [{ n: Infinity }]);
      if (row!.n === 0 || Date.now() > deadline) return row!.n;
      await delay(50);
    }
  }

  /** Endings that had to be said again: what was lost on the way, and only the sweeper's patience hides. */
  async #saidAgain(lastedMs: number): Promise<string[]> {
    // In a scene as long as that, some echo may just be late.
    if (lastedMs > SAID_AGAIN_AFTER_MS) return [];
    const rows = await this.sql<{ id: string }>('order', 'SELECT id FROM orders WHERE resaid > 0');
    return rows.length === 0 ? [] : [`${rows.length} endings had to be said again, e.g. of order ${rows[0]!.id}`];
  }

  async #close(): Promise<void> {
    await this.#nc?.close().catch(() => undefined);
    await Promise.all([...this.#pools.values()].map((pool) => pool.end().catch(() => undefined)));
  }
}
