import { certificateProblem, seedProblem } from '@pavane/jetstream/access';
import { IsIn, IsOptional, IsString, Matches } from 'class-validator';
import { Address, Addresses } from './addresses.js';
import { Duration, Integer, ReadableFile, Variable } from './config-variables.js';

const LOG_LEVELS = ['fatal', 'error', 'warn', 'log', 'debug', 'verbose'] as const;

/** What `pg` reads from the URL of a database. */
const POSTGRES_PARAMETERS = [
  ...['host', 'port', 'user', 'ssl', 'sslmode', 'sslcert', 'sslkey', 'sslrootcert', 'sslnegotiation', 'uselibpqcompat'],
  ...['application_name', 'fallback_application_name', 'client_encoding', 'options'],
  ...['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'query_timeout'],
];

/** The environment every service reads. A service extends it with its own variables; the property name is the variable. */
export class ServiceConfig {
  /** Port of the HTTP door. */
  @Integer({ min: 0, max: 65_535, example: 3000 })
  PORT = 3000;

  /**
   * Address the HTTP door listens on. By default all of IPv4, and of IPv6 where the machine has it, as containers need; name
   * 127.0.0.1 to keep it on this machine.
   */
  @IsString({ message: 'an address to listen on' })
  @Variable({ example: '127.0.0.1' })
  HOST = '::';

  /** The service's own database. */
  @Address({
    what: 'the URL of a PostgreSQL database',
    schemes: ['postgresql', 'postgres'],
    credentials: true,
    path: 'name',
    parameters: POSTGRES_PARAMETERS,
    example: 'postgresql://order:secret@127.0.0.1:5432/order',
  })
  DATABASE_URL!: string;

  /** Connections this process may hold. */
  @Integer({ min: 1, max: 500 })
  DATABASE_POOL = 10;

  /** After this a single statement is cancelled by the database. */
  @Duration({ min: 100 })
  DATABASE_STATEMENT_TIMEOUT = 10_000;

  /** One broker or several of a cluster, separated by commas. With `tls://` nothing is sent without TLS. */
  @Addresses({
    what: 'the URL of a NATS server, or several separated by commas',
    schemes: ['nats', 'tls'],
    instead: 'name a file with a seed in NATS_NKEY_FILE',
    example: 'nats://127.0.0.1:4222',
  })
  NATS_URL!: string;

  /** File with the NKey seed this service signs in to the broker with, when the broker asks who it is. */
  @IsOptional()
  @ReadableFile(seedProblem, { expected: 'the path of a file with the NKey seed of this service' })
  @Variable({ example: '/run/secrets/order.nk' })
  NATS_NKEY_FILE?: string;

  /** File with the certificate of the authority that vouches for the broker. Set, nothing is sent without TLS. */
  @IsOptional()
  @ReadableFile(certificateProblem, { expected: 'the path of a file with a CA certificate in PEM' })
  @Variable({ example: '/run/secrets/nats-ca.pem' })
  NATS_CA_FILE?: string;

  /** The least severe log line that is written. */
  @IsIn(LOG_LEVELS, { message: `one of ${LOG_LEVELS.join(', ')}` })
  @Variable({ example: 'log' })
  LOG_LEVEL: (typeof LOG_LEVELS)[number] = 'log';

  /** The largest request body that is read. */
  @Matches(/^\d+(b|kb|mb)$/, { message: 'a size in b, kb or mb' })
  @Variable({ example: '64kb' })
  BODY_LIMIT = '64kb';

  /** Requests a client address may make in a minute, counted by this instance; 0 is without limit. */
  @Integer({ min: 0, example: 300 })
  RATE_LIMIT = 0;

  /** Proxies in front of the service, whose X-Forwarded-For is believed; matters to the rate limit. */
  @Integer({ min: 0, max: 10 })
  TRUSTED_PROXIES = 0;

  /** After a stop was asked for, everything is finished by then or is cut off. */
  @Duration({ min: 1, example: '20s' })
  SHUTDOWN_DEADLINE = 20_000;

  /** How long to go on serving, unready, before intake stops: the time load balancers take to look elsewhere. */
  @Duration({ example: '5s' })
  SHUTDOWN_GRACE = 0;
}
