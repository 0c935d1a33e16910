import {
  type DynamicModule,
  Inject,
  Injectable,
  Logger,
  Module,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
  type Type,
} from '@nestjs/common';
import { JetStreamPublisher } from '@pavane/jetstream';
import type { Pool } from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { isAway, PG_POOL } from './database.js';
import { INBOX_DAYS } from './inbox.js';
import type { Outbound } from './outbox.js';
import { type Message, Participant, type ParticipantOptions, type Rules, type Store } from './participant.js';
import { Relay } from './relay.js';

/** How long published rows are kept for a replay. */
const OUTBOX_HOURS = 48;
const HOUR_MS = 3_600_000;

export interface OutboxModuleOptions<State, M extends Message, F extends { type: string }> {
  /**
   * The service's own subclass of `Participant`, which says once what it decides on; inject the participant by it.
   * `rules`, `store` and `outbound` must fit it.
   */
  participant: new (options: ParticipantOptions<State, M, F>) => Participant<State, M, F>;
  rules: NoInfer<Rules<State, M, F>>;
  store: Type<NoInfer<Store<State, M, F>>>;
  outbound: (orderId: string, fact: NoInfer<F>) => Outbound | undefined;
}

/** Injection token of the time that rules decide by, a function that gives a `Date`. Default: the process's own clock. */
export const CLOCK = Symbol('CLOCK');

/** Keeps the daily partitions of inbox and outbox ahead of time; a database that is away is asked again later. */
@Injectable()
class Partitions implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #log = new Logger('Outbox');
  #timer: NodeJS.Timeout | undefined;
  constructor(@Inject(PG_POOL) private readonly pool: Pool) {}

  onApplicationBootstrap(): void {
    void this.#maintain();
  }

  onModuleDestroy(): void {
    clearTimeout(this.#timer);
  }

  async #maintain(): Promise<void> {
    let next = HOUR_MS;
    try {
      await this.pool.query(`SELECT messaging.maintain(now(), $1::interval, $2::interval)`, [
        `${INBOX_DAYS} days`,
        `${OUTBOX_HOURS} hours`,
      ]);
    } catch (error) {
      if (!isAway(error))
        this.#log.error(`partitions of inbox and outbox could not be maintained: ${(error as Error).message}`);
      next = 10_000;
    }
    this.#timer = setTimeout(() => void this.#maintain(), next);
    this.#timer.unref();
  }
}

@Injectable()
class RelayStarter implements OnApplicationBootstrap {
  constructor(private readonly relay: Relay) {}
  onApplicationBootstrap(): void {
    this.relay.start();
  }
}

/** Provides a service's `Participant` and the `Relay` behind it, on the pool given as `PG_POOL`. */
@Module({})
export class OutboxModule {
  static forParticipant<State, M extends Message, F extends { type: string }>(
    options: OutboxModuleOptions<State, M, F>,
  ): DynamicModule {
    return {
      module: OutboxModule,
      providers: [
        options.store,
        Partitions,
        RelayStarter,
        {
          provide: Relay,
          inject: [PG_POOL, JetStreamPublisher],
          useFactory: (pool: Pool, publisher: JetStreamPublisher) => new Relay(pool, publisher, new Logger('Outbox')),
        },
        {
          provide: Participant,
          inject: [PG_POOL, options.store, Relay, { token: CLOCK, optional: true }],
          useFactory: (pool: Pool, store: Store<State, M, F>, outlet: Relay, now = () => new Date()) =>
            new options.participant({ ...options, pool, store, outlet, now, newId: uuidv7 }),
        },
        { provide: options.participant, useExisting: Participant },
      ],
      exports: [options.participant, Relay, options.store],
    };
  }
}
