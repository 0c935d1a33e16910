import { jetstreamManager } from '@nats-io/jetstream';
import { type KV, Kvm } from '@nats-io/kv';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { Module } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { ErrorCode } from '@openfeature/server-sdk';
import { eventually } from '@pavane/testing';
import { freePort, type NatsServer, startNats } from '@pavane/testing/servers';
import { getFlag, historyOf, listFlags, setFlag, UnknownFlag } from './admin.js';
import { type FlagTable, InvalidFlagValue } from './definitions.js';
import { Flags } from './flags.js';
import { FlagsModule, type FlagsModuleOptions } from './flags.module.js';

const definitions = {
  'orders.intake': { type: 'boolean', default: true, description: 'Whether orders are accepted' },
  'faults.decline-rate': { type: 'number', default: 0, description: 'Share declined', production: 'refused' },
  'site.colour': { type: 'string', default: 'blue', description: 'Colour of the site' },
} as const satisfies FlagTable;

/** Far beyond a test's patience: whatever is seen before has not been seen by the periodic read. */
const NEVER = 3_600_000;

let nats: NatsServer;
let admin: NatsConnection;
let kv: KV;

beforeAll(async () => {
  nats = await startNats();
  admin = await connectTo(nats.url);
}, 60_000);

beforeEach(async () => {
  kv = await new Kvm(admin).create('flags', { history: 10, allow_direct: true });
});

afterEach(async () => {
  await kv.destroy();
});

afterAll(async () => {
  await admin?.close();
  await nats?.[Symbol.asyncDispose]();
});

describe('a flag', () => {
  it('has its default on an empty bucket, and a change is seen within a second', async () => {
    await using app = await start({ rereadMs: NEVER });
    expect(await app.flags.boolean('orders.intake')).toBe(true);
    await following();
    await setFlag(admin, definitions, 'orders.intake', 'false');
    await eventually(async () => expect(await app.flags.boolean('orders.intake')).toBe(false), { withinMs: 1000 });
    await setFlag(admin, definitions, 'orders.intake', undefined);
    await eventually(async () => expect(await app.flags.boolean('orders.intake')).toBe(true), { withinMs: 1000 });
  });

  it('set before the start is seen without a change', async () => {
    await setFlag(admin, definitions, 'faults.decline-rate', '0.25');
    await using app = await start({ rereadMs: NEVER });
    await eventually(async () => expect(await app.flags.number('faults.decline-rate')).toBe(0.25), { withinMs: 1000 });
  });

  it('of a value that does not fit has its default, and the evaluation says why', async () => {
    await kv.put('faults.decline-rate', '"a quarter"');
    await kv.put('orders.intake', 'off');
    await using app = await start({});
    await eventually(async () => {
      expect(await app.flags.details('faults.decline-rate')).toMatchObject({
        value: 0,
        errorCode: ErrorCode.TYPE_MISMATCH,
      });
      expect(await app.flags.details('orders.intake')).toMatchObject({ value: true, errorCode: ErrorCode.PARSE_ERROR });
    });
    await kv.put('orders.intake', 'false');
    await eventually(async () => expect(await app.flags.boolean('orders.intake')).toBe(false));
  });

  it('refused in production keeps its default there, whatever is set', async () => {
    await setFlag(admin, definitions, 'faults.decline-rate', '1');
    await setFlag(admin, definitions, 'orders.intake', 'false');
    await using app = await start({ production: true });
    await eventually(async () => expect(await app.flags.boolean('orders.intake')).toBe(false));
    expect(await app.flags.number('faults.decline-rate')).toBe(0);
    expect(await app.flags.details('faults.decline-rate')).toMatchObject({ reason: 'DISABLED' });
  });

  it('nobody declared is a programming error that lists those declared', async () => {
    await using app = await start({});
    await expect(app.flags.boolean('orders.intak' as 'orders.intake')).rejects.toThrow(
      /orders\.intake, faults\.decline-rate/,
    );
  });
});

describe('flags', () => {
  it('are defaults while NATS is away, and its values once it is there', async () => {
    const port = await freePort();
    let reached: (nc: NatsConnection) => void = () => undefined;
    const connection = new Promise<NatsConnection>((resolve) => (reached = resolve));
    await using app = await start({ connection: () => connection });
    expect(await app.flags.string('site.colour')).toBe('blue');
    await using late = await startNats({ port });
    const nc = await connectTo(late.url);
    await (await new Kvm(nc).create('flags', { allow_direct: true })).put('site.colour', '"red"');
    reached(nc);
    await eventually(async () => expect(await app.flags.string('site.colour')).toBe('red'));
    await app.flags.close();
    await nc.close();
  });

  it('keep their last known values through a restart of the broker, and follow again after it', async () => {
    await using own = await startNats();
    const nc = await connectTo(own.url);
    const ownKv = await new Kvm(nc).create('flags', { allow_direct: true });
    await ownKv.put('site.colour', '"red"');
    await using app = await start({ connection: async () => nc, rereadMs: NEVER });
    await eventually(async () => expect(await app.flags.string('site.colour')).toBe('red'));
    await own.stop('SIGKILL');
    expect(await app.flags.string('site.colour')).toBe('red');
    await own.restart();
    const other = await connectTo(own.url);
    await (await new Kvm(other).open('flags')).put('site.colour', '"green"');
    await other.close();
    await eventually(async () => expect(await app.flags.string('site.colour')).toBe('green'), { withinMs: 3000 });
    await ownKv.put('site.colour', '"white"');
    await eventually(async () => expect(await app.flags.string('site.colour')).toBe('white'), { withinMs: 1000 });
    await app.flags.close();
    await nc.close();
  });

  it('are healed by the periodic read when the watch has gone deaf, which is then replaced', async () => {
    await setFlag(admin, definitions, 'site.colour', '"green"');
    await using app = await start({ rereadMs: 300 });
    await eventually(async () => expect(await app.flags.string('site.colour')).toBe('green'));
    await deafen();
    await setFlag(admin, definitions, 'site.colour', '"red"');
    await eventually(async () => expect(await app.flags.string('site.colour')).toBe('red'), { withinMs: 1500 });
    await following();
  });

  it('leave nothing behind on the broker when they are closed', async () => {
    const app = await start({});
    await following();
    await app.flags.close();
    await eventually(async () => expect(await watchers()).toEqual([]));
    expect(await app.flags.string('site.colour')).toBe('blue');
    await app[Symbol.asyncDispose]();
  });
});

describe('the command line', () => {
  it('lists every flag with its value, whether it is set, and why a value is ignored', async () => {
    await setFlag(admin, definitions, 'orders.intake', 'false');
    await kv.put('faults.decline-rate', '"lots"');
    expect(await listFlags(admin, definitions)).toMatchObject([
      { key: 'orders.intake', value: false, set: true },
      { key: 'faults.decline-rate', value: 0, set: true, problem: expect.stringContaining('number') },
      { key: 'site.colour', value: 'blue', set: false },
    ]);
    expect(await getFlag(admin, definitions, 'site.colour')).toMatchObject({ value: 'blue' });
  });

  it('refuses a value that does not fit and a flag nobody declared, listing those that are', async () => {
    await expect(setFlag(admin, definitions, 'orders.intake', 'off')).rejects.toThrow(InvalidFlagValue);
    await expect(setFlag(admin, definitions, 'orders', 'true')).rejects.toThrow(UnknownFlag);
    await expect(getFlag(admin, definitions, 'orders')).rejects.toThrow(
      /orders\.intake, faults\.decline-rate, site\.colour/,
    );
    expect(await setFlag(admin, definitions, 'site.colour', 'red')).toMatchObject({ value: 'red' });
  });

  it('tells what a flag was before, newest first', async () => {
    expect(await historyOf(admin, definitions, 'orders.intake')).toEqual([]);
    await setFlag(admin, definitions, 'orders.intake', 'false');
    await setFlag(admin, definitions, 'orders.intake', undefined);
    expect(await historyOf(admin, definitions, 'orders.intake')).toMatchObject([
      { value: undefined },
      { value: 'false' },
    ]);
  });
});

interface App extends AsyncDisposable {
  flags: Flags<typeof definitions>;
}

async function start(options: Partial<FlagsModuleOptions>): Promise<App> {
  @Module({ imports: [FlagsModule.forRoot({ definitions, connection: async () => admin, retryMs: 100, ...options })] })
  class AppModule {}
  const module: TestingModule = await Test.createTestingModule({ imports: [AppModule] }).compile();
  const flags = module.get<Flags<typeof definitions>>(Flags);
  return { flags, [Symbol.asyncDispose]: () => module.close() };
}

function connectTo(url: string): Promise<NatsConnection> {
  return connect({ servers: url, maxReconnectAttempts: -1, reconnectTimeWait: 100 });
}

async function watchers(): Promise<string[]> {
  const jsm = await jetstreamManager(admin);
  const names: string[] = [];
  for await (const consumer of jsm.consumers.list('KV_flags')) names.push(consumer.name);
  return names;
}

/** Waits until a watch exists. */
async function following(): Promise<void> {
  await eventually(async () => expect(await watchers()).toHaveLength(1), { what: 'a watch' });
}

/** Takes the watch's consumer away behind its back: nothing will be delivered, and for seconds nobody notices. */
async function deafen(): Promise<void> {
  const jsm = await jetstreamManager(admin);
  for (const name of await watchers()) await jsm.consumers.delete('KV_flags', name);
}
