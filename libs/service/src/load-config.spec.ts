import { IsIn } from 'class-validator';
import { ServiceConfig } from './config.js';
import { Duration, Integer, Switch, Variable } from './config-variables.js';
import { ConfigError, type ConfigProblem, loadConfig } from './load-config.js';

class OrderConfig extends ServiceConfig {
  override PORT = 3100;

  @Duration({ min: 1000, max: 86_400_000, example: '15m' })
  ORDER_DEADLINE = 900_000;

  @Integer({ min: 1, max: 5 })
  ATTEMPTS!: number;

  @Switch()
  STRICT = false;

  @IsIn(['EUR', 'USD'])
  @Variable({ example: 'EUR' })
  CURRENCY!: string;

  @IsIn(['never'])
  @Variable({ secret: true })
  PROVIDER_CREDENTIAL = 'never';
}

const RIGHT = {
  DATABASE_URL: 'postgresql://order:secret@localhost:5432/order',
  NATS_URL: 'nats://a:4222, nats://b:4222',
  ATTEMPTS: '3',
  CURRENCY: 'EUR',
};

describe('a configuration', () => {
  it('is read from the environment over the defaults of its class and those it extends', () => {
    const config = loadConfig(OrderConfig, {
      ...RIGHT,
      ORDER_DEADLINE: '10s',
      STRICT: 'true',
      SHUTDOWN_GRACE: '250ms',
    });
    expect(config).toBeInstanceOf(OrderConfig);
    expect(config).toMatchObject({
      PORT: 3100,
      ORDER_DEADLINE: 10_000,
      ATTEMPTS: 3,
      STRICT: true,
      SHUTDOWN_GRACE: 250,
    });
    expect(config.SHUTDOWN_DEADLINE).toBe(20_000);
  });

  it('ignores variables it does not name and takes empty ones for not set', () => {
    const config = loadConfig(OrderConfig, { ...RIGHT, HOME: '/root', PORT: '' });
    expect(config.PORT).toBe(3100);
    expect(Object.keys(config)).not.toContain('HOME');
  });

  it.each([
    ['250ms', 250],
    ['10s', 10_000],
    ['1.5m', 90_000],
    ['1h', 3_600_000],
    ['7d', 604_800_000],
  ])('reads the duration %s', (text, ms) => {
    class Config {
      @Duration()
      TIME!: number;
    }
    expect(loadConfig(Config, { TIME: text }).TIME).toBe(ms);
  });

  it('refuses a duration that no timer holds, which would be over at once', () => {
    class Config {
      @Duration()
      TIME!: number;
    }
    expect(loadConfig(Config, { TIME: '24d' }).TIME).toBeLessThan(2 ** 31);
    expect(() => loadConfig(Config, { TIME: '25d' })).toThrow(/at most 24d/);
  });

  it.each(['900', '10 sec', '-1s', '1h30m', 'soon'])('refuses the duration %s rather than guess', (text) => {
    expect(problemsOf({ ...RIGHT, ORDER_DEADLINE: text })).toMatchObject([{ name: 'ORDER_DEADLINE' }]);
  });

  it.each(['3.5', '0x3', '3e0', '3 times', '6', '0'])(
    'refuses the number %s where one from 1 to 5 is expected',
    (text) => {
      expect(problemsOf({ ...RIGHT, ATTEMPTS: text })).toMatchObject([
        { name: 'ATTEMPTS', given: JSON.stringify(text), expected: 'a whole number, from 1 to 5' },
      ]);
    },
  );
});

describe('the error about a configuration', () => {
  it('names everything that is wrong or missing, with what is expected and an example', () => {
    const problems = problemsOf({
      DATABASE_URL: 'mysql://x',
      ORDER_DEADLINE: '1ms',
      STRICT: 'yes',
      NATS_NKEY_FILE: '/nowhere/order.nk',
    });
    expect(problems.map((problem) => problem.name).toSorted()).toEqual([
      'ATTEMPTS',
      'CURRENCY',
      'DATABASE_URL',
      'NATS_NKEY_FILE',
      'NATS_URL',
      'ORDER_DEADLINE',
      'STRICT',
    ]);
    const { message } = new ConfigError(problems);
    expect(message).toContain('7 environment variables are missing or not usable.');
    expect(message).toContain('ATTEMPTS is missing');
    expect(message).toContain(
      'ORDER_DEADLINE is "1ms"\n    expected: a duration such as 250ms, 10s, 15m, 1h or 7d, from 1s to 1d',
    );
    expect(message).toContain('example:  ORDER_DEADLINE=15m');
    expect(message).toContain(
      'NATS_NKEY_FILE is "/nowhere/order.nk"\n    expected: the path of a file with the NKey seed of this service; it cannot be read (ENOENT)',
    );
    expect(message).toContain('expected: must be one of the following values: EUR, USD');
  });

  it('never shows a secret', () => {
    const { message } = new ConfigError(
      problemsOf({
        ...RIGHT,
        DATABASE_URL: 'postgres:/order:hunter2@localhost/order',
        PROVIDER_CREDENTIAL: 'swordfish',
      }),
    );
    expect(message).not.toMatch(/hunter2|swordfish/);
    expect(message).toContain('postgres:/***@localhost/order');
    expect(message).toContain('*** (9 characters)');
  });

  it.each([
    ['DATABASE_URL', 'postgres:/order:pa/ss@db/order', '"postgres:/***@db/order"'],
    ['NATS_URL', 'nats://order:s3 cret@broker:4222', '"nats://***@broker:4222"'],
    ['ORDER_DEADLINE', 'http://tok3n@host/path', '"http://***@host/path"'],
    ['NATS_URL', 'nats://a:one@x:4222, nats://b:t wo@y:4222', '"nats://***@y:4222"'],
    ['DATABASE_URL', 'order:p@ss@db/order', '"***@db/order"'],
    ['NATS_NKEY_FILE', `SU${'A'.repeat(56)}`, '*** (58 characters)'],
  ])('shows of %s=%s nothing before the last @ but the scheme, and of a seed nothing', (name, value, given) => {
    expect(problemsOf({ ...RIGHT, [name]: value })).toMatchObject([{ name, given }]);
  });
});

function problemsOf(env: NodeJS.ProcessEnv): readonly ConfigProblem[] {
  try {
    loadConfig(OrderConfig, env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}
