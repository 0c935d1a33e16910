import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { connect, errors, headers, type NatsConnection, nkeyAuthenticator, nkeys } from '@nats-io/transport-node';
import { type BrokerUser, durables, flags, parkedOf, saidBy, topology } from '@pavane/contracts';
import { setFlag } from '@pavane/flags';
import { access } from '@pavane/jetstream/access';
import { apply } from '@pavane/jetstream/provisioning';
import { eventually } from '@pavane/testing';
import { type NatsServer, startNats } from '@pavane/testing/servers';
import { SERVICES } from '../local/settings.js';
import { foreign, own, STREAMS } from './subjects.fixture.js';
import { authorization, emit } from './emit.js';
import { KeyRing, USERS } from './ring.js';

const FORMATS = {
  'acknowledgements as nats-server sends them today': '',
  'acknowledgements with domain and account, as later versions send them': 'feature_flags { js_ack_fc_v2: true }\n',
};

let dir: string;
let ring: KeyRing;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'pavane-keys-'));
  ring = KeyRing.open(dir);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const signIn = (nats: NatsServer, user: BrokerUser): Promise<NatsConnection> =>
  connect({
    servers: nats.url,
    reconnect: false,
    inboxPrefix: `_INBOX_${user}`,
    ...access({ nkeyFile: ring.file(user) }),
  });

describe.each(Object.entries(FORMATS))('with %s', (_, feature) => {
  let nats: NatsServer;
  let operator: NatsConnection;
  beforeAll(async () => {
    nats = await startNats({ config: authorization(ring) + feature });
    operator = await signIn(nats, 'operator');
    await apply(operator, topology());
    await setFlag(operator, flags, 'orders.intake', 'true');
  });
  afterAll(async () => {
    await operator?.close();
    await nats?.[Symbol.asyncDispose]();
  });

  describe.each(SERVICES)('%s', (service) => {
    let nc: NatsConnection;
    const refused = new Set<string>();
    beforeAll(async () => {
      nc = await signIn(nats, service);
      void (async () => {
        for await (const status of nc.status())
          if (status.type === 'error' && status.error instanceof errors.PermissionViolationError)
            refused.add(status.error.subject);
      })();
    });
    afterAll(() => nc?.close());
    /** Of these subjects those on which the broker does not let this service publish. */
    const refusedOf = async (subjects: string[]): Promise<string[]> => {
      for (const subject of subjects) nc.publish(subject, '', { reply: `_INBOX_${service}.matrix` });
      // Errors come before the answer to a ping; the second ping is for whoever listens to the first one's.
      await nc.flush();
      await nc.flush();
      return subjects.filter((subject) => refused.has(subject));
    };

    it.each(Object.entries(foreign(service)))('cannot %s', async (__, subjects) => {
      const before = await holdings(operator);
      expect(await refusedOf(subjects)).toEqual(subjects);
      expect(await holdings(operator)).toEqual(before);
    });

    it('can ask what it needs to ask', async () => {
      expect(await refusedOf(own(service))).toEqual([]);
    });

    it("cannot hear another service's replies, nor anything else that is said", async () => {
      const others = USERS.filter((user) => user !== service).map((user) => `_INBOX_${user}.>`);
      for (const subject of [...others, '_INBOX.>', '>', '*.*.*', 'orders.>', 'dlq.>', '$KV.>', '$JS.>', '$SYS.>']) {
        const said = await new Promise<Error | null>((resolve) => {
          nc.subscribe(subject, { callback: (error) => resolve(error) });
          void nc.flush().then(() => setImmediate(resolve, null));
        });
        expect([subject, said?.name]).toEqual([subject, 'PermissionViolationError']);
      }
    });

    it.each(durables.filter((durable) => durable.service === service))(
      'takes from $durable what it has to hear, and acknowledges it',
      async ({ stream, event, durable }) => {
        await jetstream(operator).publish(`${event}.taken`, '{}');
        const consumer = await jetstream(nc).consumers.get(stream, durable);
        const message = await consumer.next({ expires: 5_000 });
        expect(message?.subject.startsWith(`${event}.`)).toBe(true);
        const format = feature ? /^\$JS\.ACK\.[^.]+\.[^.]+\.(SAGA|TIMERS)\./ : /^\$JS\.ACK\.(SAGA|TIMERS)\./;
        expect((message as unknown as { reply: string }).reply).toMatch(format);
        expect(await message!.ackAck()).toBe(true);
        const info = await (await jetstreamManager(operator)).consumers.info(stream, durable);
        expect(info).toMatchObject({ num_ack_pending: 0, ack_floor: { stream_seq: message!.seq } });
      },
    );

    it.each(durables.filter((durable) => durable.service === service))(
      'parks what waits for $durable, and gets it back',
      async (durable) => {
        const parked = parkedOf(durable);
        const place = `${durable.stream}.${durable.durable}.o1.1`;
        const schedule = headers();
        schedule.set('Nats-Schedule', `@at ${new Date().toISOString()}`);
        schedule.set('Nats-Schedule-Target', `parked.due.${place}`);
        await jetstream(nc).publish(`parked.wait.${place}`, '{}', { headers: schedule });
        const consumer = await jetstream(nc).consumers.get(parked.stream, parked.durable);
        const message = await consumer.next({ expires: 5_000 });
        expect(message?.subject).toBe(`parked.due.${place}`);
        expect(await message!.ackAck()).toBe(true);
      },
    );

    it('counts attempts, reads flags and sees them change', async () => {
      const [durable] = durables.filter((d) => d.service === service);
      const attempts = await new Kvm(jetstream(nc)).open('attempts', { allow_direct: true });
      const counted = `${durable!.stream}.${durable!.durable}.1`;
      await attempts.put(counted, '1');
      expect((await attempts.get(counted))?.string()).toBe('1');
      await attempts.purge(counted);
      const found = await new Kvm(nc).open('flags', { allow_direct: true });
      expect((await found.get('orders.intake'))?.string()).toBe('true');
      const watch = await found.watch({ key: 'orders.intake' });
      for await (const { value } of watch) {
        expect(new TextDecoder().decode(value)).toBe('true');
        break;
      }
    });

    it('says its own events', async () => {
      for (const type of saidBy(service)) {
        const later = headers();
        if (type === 'timers.deadline') {
          later.set('Nats-Schedule', `@at ${new Date(Date.now() + 100).toISOString()}`);
          later.set('Nats-Schedule-Target', 'timers.deadline.own');
        }
        const subject = type === 'timers.deadline' ? 'timers.schedule.own' : `${type}.own`;
        expect(await jetstream(nc).publish(subject, '{}', { headers: later })).toMatchObject({ duplicate: false });
      }
      if (service !== 'order') return;
      // The broker says what order itself may not.
      const jsm = await jetstreamManager(operator);
      await eventually(async () =>
        expect(await jsm.streams.getMessage('TIMERS', { last_by_subj: 'timers.deadline.own' })).toBeTruthy(),
      );
    });
  });
});

describe('nobody gets in', () => {
  let nats: NatsServer;
  beforeAll(async () => {
    emit(ring);
    nats = await startNats({ dir: join(dir, 'nats'), config: 'include "../nats-auth.conf"' });
  });
  afterAll(() => nats?.[Symbol.asyncDispose]());
  const entering = async (seed?: Uint8Array) => {
    const options = { servers: nats.url, reconnect: false, ...(seed && { authenticator: nkeyAuthenticator(seed) }) };
    await (await connect(options)).close();
  };
  const seedIn = (file: string) => new TextEncoder().encode(readFileSync(file, 'utf8').trim());

  it('without a key', async () => {
    await expect(entering()).rejects.toThrow(/authorization/i);
  });

  it('with a key that nobody was given', async () => {
    await expect(entering(nkeys.createUser().getSeed())).rejects.toThrow(/authorization/i);
  });

  it('with a key that was retired; until then, both the old and the new one are taken, and nothing is restarted', async () => {
    const old = seedIn(ring.file('payment'));
    const reload = () => {
      emit(ring);
      process.kill(nats.pid, 'SIGHUP');
    };
    ring.rotate('payment');
    const fresh = seedIn(ring.file('payment'));
    await expect(entering(fresh)).rejects.toThrow(/authorization/i);
    reload();
    await eventually(() => entering(fresh));
    await entering(old);
    ring.retire('payment');
    reload();
    await eventually(() => expect(entering(old)).rejects.toThrow(/authorization/i));
    await entering(fresh);
  });
});

/** What the broker holds, as far as any of this could change it. */
async function holdings(nc: NatsConnection): Promise<unknown> {
  const jsm = await jetstreamManager(nc);
  return Promise.all(
    STREAMS.map(async (name) => {
      const { config, state } = await jsm.streams.info(name);
      return { config, messages: state.messages, last: state.last_seq, consumers: state.consumer_count };
    }),
  );
}
