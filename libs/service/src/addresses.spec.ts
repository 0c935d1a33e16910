import 'reflect-metadata';
import { serversIn } from '@pavane/jetstream/access';
import { Address } from './addresses.js';
import { ServiceConfig } from './config.js';
import { ConfigError, loadConfig } from './load-config.js';

class Config extends ServiceConfig {
  @Address({ what: 'a web address', schemes: ['http', 'https'], path: 'any' })
  WEB = 'http://a';
  @Address({ what: 'a mail server', schemes: ['smtp'], credentials: true, parameters: ['requireTLS'] })
  MAIL = 'smtp://a';
}
const RIGHT = { DATABASE_URL: 'postgresql://a@h/db', NATS_URL: 'nats://h:4222' };

function verdictOn(name: string, given: string): string {
  try {
    return (loadConfig(Config, { ...RIGHT, [name]: given }) as unknown as Record<string, string>)[name]!;
  } catch (error) {
    if (error instanceof ConfigError) return `refused: ${error.problems[0]!.expected}`;
    throw error;
  }
}

describe('an address', () => {
  it.each([
    ['WEB', 'http://payment_provider:4010'],
    ['WEB', 'https://gateway.example/payments/v1'],
    ['WEB', 'http://[2001:db8::1]:4010'],
    ['WEB', 'http://provider.svc.cluster.local.:80'],
    ['WEB', 'HTTP://PROVIDER'],
    ['MAIL', 'smtp://mail_host:587'],
    ['MAIL', 'smtp://user%40example.com:pa:ss@[::1]:25/?requireTLS=true'],
    ['NATS_URL', 'nats://a_1:4222, nats://[::1]:4222,'],
    ['NATS_URL', 'NATS://a,nats://b.'],
    ['NATS_URL', 'tls://a:4222,tls://b:4222'],
    ['DATABASE_URL', 'postgres://u:p%40s%2Fs@db_1./db'],
    ['DATABASE_URL', 'postgresql://u@[::1]:5432/db?sslmode=verify-full&application_name=x'],
    ['DATABASE_URL', 'postgresql:///db?host=/var/run/postgresql'],
    ['DATABASE_URL', 'postgresql://u:p@/db?host=/var/run/postgresql'],
    ['DATABASE_URL', 'postgresql://u@%2Fvar%2Frun%2Fpostgresql/db'],
  ])('of %s is taken as it is: %s', (name, given) => {
    expect(verdictOn(name, given)).toBe(given);
  });

  it('loses the spaces and line ends around it, which files leave there', () => {
    expect(verdictOn('DATABASE_URL', ' postgresql://u@h/db\n')).toBe('postgresql://u@h/db');
  });

  it.each([
    ['WEB', 'https://user:p%40ss@gateway.example', /user and password in it would not be used/],
    ['WEB', 'http://10.0.0.1:70000', /it is not a URL; check its host and port/],
    ['WEB', 'https://gateway.example/a?b=c', /parameters that would be ignored: b$/],
    ['WEB', 'https://gateway.example/a#d', /follow a #/],
    ['WEB', 'ftp://gateway.example', /begins with http:\/\/ or https:\/\//],
    ['WEB', 'http:gateway.example', /begins with http:\/\/ or https:\/\//],
    ['MAIL', 'smtp://user:pa/ss@mail.example', /percent-encode/],
    ['MAIL', 'smtp://user:?pass@mail.example', /percent-encode/],
    ['MAIL', 'smtp://mail.example?requiretls=true', /ignored: requiretls$/],
    ['NATS_URL', 'nats://user:pass@h:4222', /would not be used; name a file with a seed in NATS_NKEY_FILE/],
    ['NATS_URL', 'nats://a, nats://token@h:4222', /would not be used/],
    ['NATS_URL', 'h:4222', /begins with nats:\/\/ or tls:\/\//],
    ['NATS_URL', 'nats://h:99999', /check its host and port/],
    ['NATS_URL', 'tls://h:4222,nats://g', /the same scheme/],
    ['NATS_URL', ',', /names no server/],
    ['DATABASE_URL', 'postgres://u:p@s/s@h/db', /percent-encode/],
    ['DATABASE_URL', 'postgresql://u:#pw@h/db', /percent-encode/],
    ['DATABASE_URL', 'postgresql://u@h1,h2/db', /several hosts/],
    ['DATABASE_URL', 'postgresql://u@h/db?schema=x&pgbouncer=true', /ignored: schema, pgbouncer$/],
    ['DATABASE_URL', 'postgresql://u@h:5432', /ends with one name/],
    ['DATABASE_URL', 'postgresql:///db', /names no host/],
    ['DATABASE_URL', 'host=h dbname=db', /begins with postgresql:\/\//],
  ])('of %s that would not be honoured as it is written is refused: %s', (name, given, says) => {
    expect(verdictOn(name, given)).toMatch(says);
  });

  it('keeps what its parameters say to itself', () => {
    expect(() => loadConfig(Config, { ...RIGHT, DATABASE_URL: 'postgresql://u:one@h/db?password=two' })).toThrow(
      /"postgresql:\/\/\*\*\*@h\/db\?password=\*\*\*"/,
    );
  });
});

describe('brokers', () => {
  it('that are named with tls:// are spoken to by TLS, others as they ask', () => {
    expect(serversIn('tls://a:4222, TLS://b')).toEqual({ servers: ['tls://a:4222', 'TLS://b'], tls: {} });
    expect(serversIn('nats://a:4222,')).toEqual({ servers: ['nats://a:4222'] });
  });
});
