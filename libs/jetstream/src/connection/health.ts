import type { JetStreamConnection } from './connection.js';
import type { JetStreamServer } from '../nest/jetstream.server.js';

export interface HealthReport {
  /** The broker can be reached and every durable is bound. */
  ok: boolean;
  broker: 'up' | 'down';
  /** Every durable is bound. */
  bound: boolean;
  /** One line for each thing that is wrong, saying what to do. */
  problems: string[];
  /** What does not keep the process from taking part and has to be looked at: durables that rest, handlers that hang, stores that are missing. */
  findings: string[];
}

/** Whether this process can take part. Answers from memory, at once. */
export class JetStreamHealth {
  constructor(
    private readonly connection: JetStreamConnection,
    private readonly server: JetStreamServer,
  ) {}

  /** Whether every durable was bound at least once since the start. Stays true through later disruptions. */
  get everBound(): boolean {
    return this.server.everBound;
  }

  /** What time it is to the broker, in milliseconds since 1970; undefined when it cannot be asked. */
  brokerTime(): Promise<number | undefined> {
    return this.server.brokerTime();
  }

  check(): HealthReport {
    const up = this.connection.isConnected;
    const { problems } = this.server;
    const bound = problems.length === 0;
    return {
      ok: up && bound,
      broker: up ? 'up' : 'down',
      bound,
      problems: up ? problems : [this.connection.trouble, ...problems],
      findings: this.server.findings,
    };
  }
}
