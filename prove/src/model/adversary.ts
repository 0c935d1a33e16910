import type { World } from './world.js';

/** Of a hundred occasions for a fault between two steps, how many it takes. */
const BOLDNESS = 30;

/** Has things happen to a world in the worst order: time passes at the wrong moment, and faults strike. */
export class Adversary {
  constructor(private readonly world: World) {}

  /** Something happens, maybe a fault. */
  act(): void {
    const { chance, scenario } = this.world;
    const draw = chance.int(1, 100);
    if (draw <= scenario.idling) this.#idle();
    else if (draw > 80 && chance.strikes(BOLDNESS)) this.world.tell(this.#strike());
    else if (!this.world.proceed()) this.world.pass(chance.int(1, 500));
  }

  #idle(): void {
    const { chance } = this.world;
    const draw = chance.int(1, 30);
    if (draw === 1) this.world.pass(chance.int(10_000, 90_000));
    else if (draw <= 3) this.world.pass(chance.int(1000, 6000));
    else this.world.pass(chance.int(1, 300));
  }

  /** Does what it says, unless there is nothing to do it to. */
  #strike(): string | undefined {
    const { broker, chance, scenario } = this.world;
    const draw = chance.int(1, 24);
    if (draw <= 10) return this.world.kill();
    if (draw <= 13) return broker.duplicate();
    if (draw <= 16) return broker.delay();
    if (draw <= 18) return broker.takeOver();
    if (draw === 19) return broker.restart();
    if (draw === 20) return scenario.sweeper ? broker.loseTimer() : undefined;
    if (draw === 21) return this.#loseStore();
    return draw === 22 ? this.#flip() : this.#pause();
  }

  /** A consumer is paused for so long that the sweeper says endings again meanwhile. */
  #pause(): string | undefined {
    const { broker, chance } = this.world;
    const paused = broker.pause();
    this.world.pass(chance.int(5_000, 65_000));
    return paused;
  }

  #flip(): string {
    const { chance, notification, payment } = this.world;
    if (chance.int(0, 1)) {
      notification.isMailOn = !notification.isMailOn;
      return `notifications.email is ${notification.isMailOn ? 'on' : 'off'}`;
    }
    payment.declinesAll = !payment.declinesAll;
    return `faults.payment.decline-rate is ${payment.declinesAll ? 1 : 0}`;
  }

  #loseStore(): string {
    const { broker, processes, services } = this.world;
    broker.loseEverything();
    // Whoever replays comes long after the last row the old store acknowledged was marked.
    for (const { process } of processes)
      for (const job of process.jobs.filter(({ seam }) => seam === 'published')) process.advance(job);
    for (const { participant } of services) participant.replay();
    return 'the broker loses its store, and the outboxes are replayed';
  }
}
