import { Broker, type Entry } from './broker.js';
import { Clock, earliest } from './clock.js';
import type { Coverage, Kind } from './coverage.js';
import { Customer } from './customer.js';
import { whyImpossible } from './impossible.js';
import { InventoryService } from './inventory-service.js';
import { MailServer } from './mail-server.js';
import type { Modelled } from './modelled.js';
import { NotificationService } from './notification-service.js';
import { OrderService } from './order-service.js';
import { PaymentService } from './payment-service.js';
import { Provider } from './provider.js';
import type { Sabotage } from './sabotage.js';
import { Chance, type Scenario } from './scenario.js';
import type { Surroundings } from './service.js';
import type { Job, Process } from './work.js';

interface Running {
  service: Modelled;
  /** Among the processes of the service. */
  number: number;
  process: Process;
}

export interface Watching {
  sabotage?: Sabotage | undefined;
  coverage?: Coverage | undefined;
  /** Told of every step, in a line. */
  tell?: ((line: string) => void) | undefined;
}

/** The whole platform of one run, and what can happen to it. Everything that happens is drawn from the scenario's seed. */
export class World {
  readonly clock = new Clock();
  readonly chance: Chance;
  readonly broker: Broker;
  readonly provider: Provider;
  readonly mail: MailServer;
  readonly order: OrderService;
  readonly payment: PaymentService;
  readonly inventory: InventoryService;
  readonly notification: NotificationService;
  readonly customers: Customer[];
  /** The first promise that was broken on the way. */
  violation: string | undefined;
  readonly #services;
  readonly processes: Running[];

  constructor(
    readonly scenario: Scenario,
    private readonly watching: Watching,
  ) {
    const { instances, stock, sweeper, wishes } = scenario;
    const { sabotage } = watching;
    const violated = (what: string) => void (this.violation ??= what);
    this.chance = new Chance(scenario);
    this.broker = new Broker(this.clock, this.chance);
    this.provider = new Provider(this.clock, this.chance, violated);
    this.mail = new MailServer(this.chance);
    const around: Surroundings = { clock: this.clock, chance: this.chance, broker: this.broker, sabotage, violated };
    this.order = new OrderService(around, instances, sweeper);
    this.payment = new PaymentService(around, instances, this.provider);
    this.inventory = new InventoryService(around, instances, stock);
    this.notification = new NotificationService(around, instances, this.mail);
    this.customers = wishes.map((wish, i) => new Customer(`order-${i + 1}`, wish, this.clock, this.order));
    this.#services = {
      order: this.order,
      payment: this.payment,
      inventory: this.inventory,
      notification: this.notification,
    } satisfies Record<Modelled, unknown>;
    this.processes = Object.values(this.#services).flatMap(({ participant: { service }, processes }) =>
      processes.map((process, i) => ({ service, number: i + 1, process })),
    );
  }

  get services() {
    return Object.values(this.#services);
  }

  /** Something that is due gets done; false when nothing is. */
  proceed(): boolean {
    const ways = [
      () => this.#advance(),
      () => this.#deliver(),
      () => this.#serveCustomer(),
      () => this.#round(),
      () => this.broker.fire() && this.tell('a deadline timer fires'),
      () => this.provider.decideDue() && this.tell('the provider decides a request nobody waits for'),
    ];
    // Work under way and deliveries are most of what happens.
    const first = [0, 0, 0, 0, 1, 1, 1, 2, 3, 3, 4, 5][this.chance.int(0, 11)]!;
    for (let i = 0; i < ways.length; i++) if (ways[(first + i) % ways.length]!()) return true;
    return false;
  }

  /** Lets time pass until something is due; false when nothing ever will be. */
  wait(): boolean {
    const next = earliest([
      this.broker.nextMoment(),
      this.provider.nextMoment(),
      ...this.services.flatMap((service) => [...service.moments()]),
    ]);
    if (next === undefined) return false;
    this.pass(Math.max(next - this.clock.ms, 1));
    return true;
  }

  #advance(): boolean {
    const busy = this.chance.find(this.processes, ({ process }) => process.jobs.length > 0);
    if (!busy) return false;
    const job = this.chance.find(busy.process.jobs, () => true)!;
    busy.process.advance(job);
    return this.tell(
      () =>
        `${busy.service}/${busy.number} ${job.name} of ${job.orderId}: ${job.seam}${busy.process.jobs.includes(job) ? '' : ' and done'}`,
    );
  }

  #deliver(): boolean {
    let taker: Running | undefined;
    const entry = this.chance.find(this.broker.entries, (one) => {
      if (!this.broker.isReady(one)) return false;
      taker = this.#running(one.service, (process) => !process.isBusyWith(one.said.orderId));
      return taker !== undefined;
    });
    if (!entry || !taker) return false;
    const { process, service, number } = taker;
    const { said, durable } = entry;
    this.broker.deliver(entry);
    const before = this.#services[taker.service].stateOf(said.orderId);
    for (const kind of this.#kindsOf(entry, taker.service)) this.#reached(durable, before, kind);
    const work = this.#services[taker.service].consume(process, entry);
    process.start({ name: durable, orderId: said.orderId, work, entry, before });
    return this.tell(() => `${service}/${number} is delivered ${said.type} ${said.id} of ${said.orderId} (${before})`);
  }

  #reached(durable: string, state: string, kind: Kind): void {
    this.watching.coverage?.reached(durable, state, kind);
    const why = whyImpossible(durable, state, kind);
    if (why) this.violation ??= `${durable} found ${state} (${kind}), though ${why}`;
  }

  #kindsOf({ said, durable, deliveries }: Entry, service: Modelled): Kind[] {
    const hasEnded = this.order.load(said.orderId).status !== 'pending';
    const { participant } = this.#services[service];
    const coming: Kind = participant.hasHandled({ id: said.id, durable })
      ? 'duplicate'
      : deliveries > 1
        ? 'redelivered'
        : this.#services[service].hasHeardLaterThan(said)
          ? 'reordered'
          : 'first';
    return hasEnded ? [coming, 'after the ending'] : [coming];
  }

  #serveCustomer(): boolean {
    const at = this.#running('order', () => true);
    if (!at) return false;
    const customer = this.chance.find(
      this.customers,
      ({ wantsToOrder, wantsToCancel }) => wantsToOrder || wantsToCancel,
    );
    if (!customer) return false;
    if (customer.wantsToOrder) customer.order(at.process);
    else if (this.chance.isQuiet || this.chance.int(1, 20) === 1) customer.cancel(at.process);
    else return false;
    return this.tell(() => `a customer comes to order/${at.number}`);
  }

  #round(): boolean {
    const start = this.chance.int(0, this.processes.length - 1);
    for (let i = 0; i < this.processes.length; i++) {
      const { service, process } = this.processes[(start + i) % this.processes.length]!;
      if (this.clock.reached(process.upAt) && this.#services[service].round(process))
        return this.tell(() => `${service}: ${process.jobs.at(-1)?.name} begins`);
    }
    return false;
  }

  #running(service: Modelled, is: (process: Process) => boolean) {
    return this.chance.find(
      this.processes,
      (one) => one.service === service && this.clock.reached(one.process.upAt) && is(one.process),
    );
  }

  /** Kills a process that is at something. Returns what it was at. */
  kill(): string | undefined {
    const busy = this.chance.find(this.processes, ({ process }) => process.jobs.length > 0);
    if (!busy) return undefined;
    const { process, service, number } = busy;
    const lost = process.kill(this.clock.ms + this.chance.int(0, 2000));
    for (const job of lost) this.#lose(job);
    const at = lost.map(({ name, seam }) => `${name} at ${seam ?? 'its beginning'}`);
    return `${service}/${number} is killed: ${at.join(', ')}`;
  }

  #lose({ name, entry, before, seam, lost }: Job): void {
    lost?.();
    if (entry) this.broker.abandon(entry);
    if (before !== undefined) this.#reached(name, before, 'crash here');
    this.watching.coverage?.crashed(name, seam ?? 'its beginning');
  }

  pass(ms: number): void {
    this.clock.pass(ms);
    this.tell(() => `${ms} ms pass`);
  }

  /** Says what happened, to whoever watches. */
  tell(line: string | undefined | (() => string)): true {
    if (this.watching.tell && line) this.watching.tell(typeof line === 'string' ? line : line());
    return true;
  }
}
