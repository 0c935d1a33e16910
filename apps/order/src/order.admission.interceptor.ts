import {
  applyDecorators,
  type CallHandler,
  type ExecutionContext,
  Injectable,
  Logger,
  type NestInterceptor,
  type OnApplicationBootstrap,
  UseInterceptors,
} from '@nestjs/common';
import { ApiServiceUnavailableResponse } from '@nestjs/swagger';
import { metrics } from '@opentelemetry/api';
import { isAway } from '@pavane/outbox';
import { Intake, Loop } from '@pavane/service';
import type { Request } from 'express';
import { finalize, type Observable, tap } from 'rxjs';
import { type Admission, admits, newAdmission, nextTurn, observe, retryAfterOf, windowOf } from './order.admission.js';
import { OrderConfig } from './order.config.js';
import { orderProblem } from './order.problems.js';
import { OrderStore } from './order.store.js';

const LOOK_EVERY_MS = 250;
/** While nothing is under way. What other instances let in meanwhile is seen that much later. */
const LOOK_IDLE_EVERY_MS = 1000;
/** So many of those who were let in are served at a time, or events would wait behind all of them for the database. */
const MOST_AT_ONCE = 64;

/**
 * Lets so many orders in as can be finished in time, and turns everyone else away before their body is looked at. What is
 * under way in all instances is counted in the database a few times a second; what this one has let in since is added.
 */
@Injectable()
export class AdmissionInterceptor implements NestInterceptor, OnApplicationBootstrap {
  readonly #log = new Logger('Admission');
  readonly #refusals = metrics
    .getMeter('@pavane/order')
    .createCounter('order_refusals', { description: 'Orders that were turned away because too many were under way' });
  #admission: Admission;
  #queued = 0;
  /** The deadline of those that end now, as the database wrote it. */
  #frontier: string | null = null;
  /** Let in and not answered yet. */
  #entering = 0;
  /** Of these, who waits until others have been answered. */
  readonly #line: (() => void)[] = [];
  /** Accepted since the last look. */
  #accepted = 0;
  #refused = 0;
  #lookedAt = Date.now();
  #lastTurn = 0;
  /** Keys of those who would be turned away, and what to tell them: one look-up for all that come during the one before. */
  #asked = new Map<string, PromiseWithResolvers<boolean>>();
  #asking = false;

  constructor(
    private readonly store: OrderStore,
    private readonly config: OrderConfig,
    private readonly intake: Intake,
  ) {
    this.#admission = newAdmission(config.ORDER_DEADLINE);
    // There from the start, so that the first refusal is an increase to whoever watches.
    this.#refusals.add(0);
    const meter = metrics.getMeter('@pavane/order');
    meter
      .createObservableGauge('order_queued', { description: 'Orders under way that a new one has to wait for' })
      .addCallback((result) => result.observe(this.#underWay));
    meter
      .createObservableGauge('order_queued_limit', {
        description: 'How many may be, before new orders are turned away',
      })
      .addCallback((result) => result.observe(this.#admission.limit));
  }

  onApplicationBootstrap(): void {
    const loop = new Loop(() => this.look(), {
      everyMs: LOOK_EVERY_MS,
      onError: (error) =>
        isAway(error) || this.#log.error(`orders under way could not be counted: ${(error as Error).message}`),
    });
    this.intake.add('admission', () => loop.stop());
    loop.start();
  }

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const isFull = !admits(this.#admission, this.#underWay);
    if (isFull) {
      const key = context.switchToHttp().getRequest<Request>().headers['idempotency-key'];
      // Who has an order already gets it again.
      if (typeof key === 'string' && (await this.#isTaken(key))) return next.handle();
      throw this.#refusal();
    }
    if (++this.#entering > MOST_AT_ONCE) await new Promise<void>((resolve) => this.#line.push(resolve));
    return next.handle().pipe(
      tap(() => this.#accepted++),
      finalize(() => {
        this.#entering--;
        this.#line.shift()?.();
      }),
    );
  }

  /** Looks once how many orders are under way and how fast they end. */
  async look(): Promise<void> {
    const windowMs = windowOf(this.config.ORDER_DEADLINE);
    const now = Date.now();
    if (this.#underWay + this.#refused === 0 && now - this.#lookedAt < LOOK_IDLE_EVERY_MS) return;
    const before = { accepted: this.#accepted, refused: this.#refused };
    const { frontier, queued, oldestAt, ended, lastEndedAt, tookMs } = await this.store.underWay(
      new Date(now - windowMs),
      this.#frontier,
    );
    this.#frontier = frontier;
    this.#queued = queued;
    this.#accepted -= before.accepted;
    this.#refused -= before.refused;
    const sight = {
      sinceMs: now - this.#lookedAt,
      queued,
      oldestMs: oldestAt ? now - oldestAt.getTime() : 0,
      rate: (ended * 1000) / windowMs,
      tookMs: tookMs ?? undefined,
      quietMs: lastEndedAt ? now - lastEndedAt.getTime() : Number.POSITIVE_INFINITY,
      refused: before.refused > 0,
    };
    this.#lookedAt = now;
    this.#admission = observe(this.#admission, sight, this.config.ORDER_DEADLINE);
    if (before.refused > 0)
      this.#log.warn('orders were turned away', { refused: before.refused, queued, ...rounded(this.#admission) });
  }

  get #underWay(): number {
    return this.#queued + this.#entering + this.#accepted;
  }

  #refusal() {
    const now = Date.now();
    this.#refused++;
    this.#refusals.add(1);
    this.#lastTurn = nextTurn(this.#admission, this.#underWay, this.#lastTurn, now);
    return orderProblem('overloaded', {
      detail: 'Nothing was ordered. Send the same request again after the time in Retry-After.',
      retryAfter: retryAfterOf(this.#lastTurn, now),
      isLogged: false,
    });
  }

  #isTaken(key: string): Promise<boolean> {
    let asked = this.#asked.get(key);
    if (!asked) this.#asked.set(key, (asked = Promise.withResolvers()));
    if (!this.#asking) void this.#ask();
    return asked.promise;
  }

  async #ask(): Promise<void> {
    this.#asking = true;
    while (this.#asked.size > 0) {
      const asked = this.#asked;
      this.#asked = new Map();
      try {
        const taken = await this.store.taken([...asked.keys()]);
        for (const [key, { resolve }] of asked) resolve(taken.has(key));
      } catch (error) {
        for (const { reject } of asked.values()) reject(error);
      }
    }
    this.#asking = false;
  }
}

const rounded = ({ capacity, limit }: { capacity: number; limit: number }) => ({
  capacity: Math.round(capacity),
  limit,
});

/** For a handler that places orders: it is called only when there is room for one more. */
export const Admitted = () =>
  applyDecorators(
    UseInterceptors(AdmissionInterceptor),
    ApiServiceUnavailableResponse({
      description: 'Nothing was ordered; the same request may be sent again after `Retry-After`',
      headers: { 'Retry-After': { description: 'Seconds', schema: { type: 'integer' } } },
    }),
  );
