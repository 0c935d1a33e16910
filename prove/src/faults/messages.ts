import { jetstream, type JsMsg } from '@nats-io/jetstream';
import { durables } from '@pavane/contracts';
import type { Wish } from '../clients.js';
import type { Scene } from '../scene.js';
import { type Random, randomOf } from '../random.js';
import { type Copy, eventOf, freshIds, publish, saidOf, shuffled, Tap, underNewId } from './copies.js';
import { KINDS_OF_DAMAGE, spoilt } from './damage.js';
import type { Fault } from './fault.js';

const MOST_COPIES = 5;
const JUNK_ROUNDS = 8;
const NEWER_A_ROUND = 10;
const NEWER = '.v99';
/** Longer than the longest pause an event is given back with. */
const TAKEN_WITHIN_MS = 30_000;
/** What an order takes that nothing holds up, and some room: a slow provider, refunds that are tried again. */
const BESIDE_NEWER_MS = 10_000;
/** Fires while the fault is on, so that timers are copied, late and raced like any other event. */
const orderDeadline = '8s';

/** What can happen to messages on their way: said again, said late, said out of order. */
export const messages: readonly Fault[] = [
  {
    name: 'duplicates',
    about: 'every event is published one to five more times, half of them under a message id the stream does not know',
    when: 'quick',
    stage: () => ({ settings: { orderDeadline }, perSecond: 10 }),
    async run(scene) {
      const tap = await Tap.on(scene);
      let stored = 0;
      let recognised = 0;
      for (let i = 0; i < 50; i++) {
        await scene.lasts(200);
        const again = tap.take().flatMap((copy) => repeated(copy, scene));
        const counts = await publish(scene, shuffled(again, scene.random));
        stored += counts.stored;
        recognised += counts.recognised;
      }
      tap.close();
      if (Math.min(stored, recognised) < 100)
        scene.violations.push(`only ${stored} copies were stored, and ${recognised} recognised as such`);
    },
  },
  {
    name: 'duplicates-after-window',
    about: 'every event is published again under its own message id, when the duplicate window has passed',
    stage: () => ({ settings: { orderDeadline } }),
    async run(scene) {
      const jsm = await scene.jsm();
      for (const stream of ['SAGA', 'TIMERS']) await jsm.streams.update(stream, { duplicate_window: 500e6 });
      const tap = await Tap.on(scene);
      await scene.lasts(6000);
      for (let i = 0; i < 3; i++) {
        const old = [...tap.said];
        await scene.lasts(2000);
        expectStored(scene, old, await publish(scene, old));
      }
      tap.close();
      await scene.platform.provision();
    },
  },
  {
    name: 'duplicates-after-restart',
    about:
      'nats-server is restarted, which forgets the message ids of what was consumed; then every event is published again',
    when: 'full',
    stage: () => ({ perSecond: 0 }),
    async run(scene) {
      const tap = await Tap.on(scene);
      for (let i = 0; i < 2; i++) {
        // What still lies in the stream when the server starts is remembered.
        scene.clients.send(100);
        await scene.rests();
        const old = [...tap.said];
        await scene.platform.nats.restart();
        scene.clients.send(40);
        await scene.accepted(20);
        expectStored(scene, old, await publish(scene, old));
      }
      tap.close();
    },
  },
  {
    name: 'shuffled',
    about: 'single steps of the saga are held back and let go in any order, while old events are said again late',
    stage: () => ({ settings: { orderDeadline: '4s' } }),
    async run(scene) {
      const tap = await Tap.on(scene);
      let waited = 0;
      for (let i = 0; i < 6; i++) {
        const held = durables.filter(() => scene.random.int(0, 1) === 1);
        for (const one of held) await hold(scene, one);
        await scene.lasts(scene.random.int(500, 2000));
        const late = shuffled(tap.said, scene.random).slice(0, 200);
        await publish(
          scene,
          late.map((copy) => underNewId(copy, scene.random)),
        );
        for (const one of shuffled(held, scene.random)) {
          waited += await release(scene, one);
          await scene.lasts(scene.random.int(0, 150));
        }
      }
      tap.close();
      if (waited < 200) scene.violations.push(`only ${waited} messages were held back`);
    },
  },
  {
    name: 'junk',
    about: `spoilt copies of events between innocent orders: ${KINDS_OF_DAMAGE.join(', ')}`,
    async run(scene) {
      const tap = await Tap.on(scene);
      for (let i = 0; i < JUNK_ROUNDS; i++) {
        await scene.accepted(20);
        const heard = tap.said.filter(({ subject }) => !subject.startsWith('timers.'));
        const junk = KINDS_OF_DAMAGE.map((kind) => spoilt(kind, scene.random.pick(heard), scene.random));
        const copies = junk.map(({ copy }) => copy);
        tap.ignore(copies);
        await publish(scene, copies);
        for (const durable of junk.flatMap(({ heardBy }) => heardBy))
          scene.deadLetters[durable] = (scene.deadLetters[durable] ?? 0) + 1;
      }
      tap.close();
    },
  },
  {
    name: 'newer-version',
    about:
      'events of a version that no instance knows wait between those of innocent orders, which end beside them; then all instances are replaced by one that does',
    async run(scene) {
      const tap = await Tap.on(scene);
      const waiting = new Map<string, number>();
      for (let i = 0; i < JUNK_ROUNDS; i++) {
        await scene.accepted(20);
        const heard = tap.said.filter((said) => listenersTo(said).length > 0);
        const copies = Array.from({ length: NEWER_A_ROUND }, () => newer(scene.random.pick(heard), scene.random));
        tap.ignore(copies);
        await publish(scene, copies);
        for (const { durable } of copies.flatMap(listenersTo)) waiting.set(durable, (waiting.get(durable) ?? 0) + 1);
      }
      tap.close();
      const ids = [...scene.clients.accepted];
      await scene.until(
        'orders end beside events of a version that nobody knows',
        async () => (await pendingOf(scene, ids)) === 0,
        BESIDE_NEWER_MS,
      );
      const services = [...scene.platform.services.values()];
      await Promise.all(services.map((service) => service.stop()));
      for (const [durable, count] of waiting) await take(scene, durable, count);
      await Promise.all(services.map((service) => service.start()));
    },
  },
  {
    name: 'killer',
    about: 'a message that kills payment whenever it is started on it, beside innocent ones',
    when: 'full',
    stage: ({ seed }) => ({
      options: { injectable: true },
      settings: { env: { payment: { KILL_ON: deadlyOf(seed) } } },
      // Payment is hardly there for most of a minute: nothing that it would have to give back by then.
      wishes: ['card_ok', 'card_flaky', 'card_declined'].map(cup),
      perSecond: 5,
    }),
    async run(scene) {
      const durable = 'payment_orders-created';
      // What a dead process held comes back sooner than it would, or this would take minutes.
      const jsm = await scene.jsm();
      await jsm.consumers.update('SAGA', durable, { ack_wait: 2e9 });
      const tap = await Tap.on(scene);
      await scene.accepted(10);
      const example = tap.said.find(({ subject }) => subject.startsWith('orders.created.'))!;
      const deadly = scene.platform.settings.env.payment!['KILL_ON']!;
      await publish(scene, [saidOf(example, deadly, scene.random)]);
      scene.deadLetters[durable] = 1;
      await scene.until('its dead letter', async () => (await jsm.streams.info('DLQ')).state.messages > 0, 120_000);
      tap.close();
      const payment = scene.platform.services.get('payment')!;
      scene.kills.services += payment.deaths;
      if (payment.deaths < 8) scene.violations.push(`payment died of it only ${payment.deaths} times`);
      await payment.ready();
      await scene.platform.provision();
    },
  },
];

const cup = (paymentMethod: string): Wish => ({ items: [{ sku: 'CUP', quantity: 1 }], paymentMethod });
const deadlyOf = (seed: number): string => randomOf(seed, 'killer').uuid();

/** One to five copies of an event, each by even chance under its own message id or under another. */
function repeated(copy: Copy, { random }: Scene): Copy[] {
  return Array.from({ length: random.int(1, MOST_COPIES) }, () => random.pick([copy, underNewId(copy, random)]));
}

/** Most of what was republished must have been taken for new, or nothing was shown. */
function expectStored(scene: Scene, copies: readonly Copy[], { stored }: { stored: number }): void {
  if (stored < copies.length / 2) scene.violations.push(`of ${copies.length} copies only ${stored} were stored`);
}

/** An event as a later version of the platform might say it. */
const newer = (copy: Copy, random: Random): Copy => ({
  ...copy,
  headers: { ...copy.headers, ...freshIds(random), 'ce-type': copy.headers['ce-type']!.replace(/\.v\d+$/, NEWER) },
});

const listenersTo = (said: Copy): Step[] =>
  durables.filter(({ stream, event }) => stream === 'SAGA' && event === eventOf(said));

/** Takes so many events of the newer version off a durable, as an instance that knows it would. */
async function take(scene: Scene, durable: string, count: number): Promise<void> {
  const consumer = await jetstream(await scene.nc()).consumers.get('SAGA', durable);
  const others: JsMsg[] = [];
  const deadline = Date.now() + TAKEN_WITHIN_MS;
  for (let taken = await takeParked(scene, durable); taken < count;) {
    if (Date.now() > deadline) throw new Error(`${durable} holds ${count - taken} events of the newer version back`);
    const message = await consumer.next({ expires: 1000 });
    if (message?.headers?.get('ce-type').endsWith(NEWER)) {
      message.ack();
      taken++;
    } else if (message) others.push(message);
  }
  for (const message of others) message.nak();
}

/** Takes those out of the waiting room, whatever their time; resolves to how many there were. */
async function takeParked(scene: Scene, durable: string): Promise<number> {
  const { streams } = await scene.jsm();
  const { state } = await streams.info('PARKED', { subjects_filter: `parked.*.SAGA.${durable}.>` });
  let taken = 0;
  for (const place of Object.keys(state.subjects ?? {})) {
    const message = await streams.getMessage('PARKED', { last_by_subj: place });
    if (!message?.header.get('ce-type').endsWith(NEWER)) continue;
    await streams.deleteMessage('PARKED', message.seq, false);
    taken++;
  }
  return taken;
}

/** How many of these orders have not ended. */
async function pendingOf(scene: Scene, ids: readonly string[]): Promise<number> {
  const [row] = await scene.sql<{ n: number }>(
    'order',
    `SELECT count(*)::int AS n FROM orders WHERE status = 'pending' AND id = ANY ($1)`,
    [ids],
  );
  return row!.n;
}

const FOR_LONG_MS = 3_600_000;
type Step = (typeof durables)[number];

async function hold(scene: Scene, { stream, durable }: Step): Promise<void> {
  await (await scene.jsm()).consumers.pause(stream, durable, new Date(Date.now() + FOR_LONG_MS));
}

/** Resolves to how many messages had been held back. */
async function release(scene: Scene, { stream, durable }: Step): Promise<number> {
  const { consumers } = await scene.jsm();
  const { num_pending } = await consumers.info(stream, durable);
  await consumers.resume(stream, durable);
  return num_pending;
}
