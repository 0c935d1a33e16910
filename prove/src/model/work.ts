import type { Entry } from './broker.js';

/** Between two effects: where other work may come in between, and where a process may die. */
export type Seam =
  | 'received'
  | 'before-transaction'
  | 'committed'
  | 'handled'
  | 'publishing'
  | 'published'
  | 'asking'
  | 'answered'
  | 'sending'
  | 'accepted'
  | 'replying';

/** Work that stops at every seam. */
export type Work<T = void> = Generator<Seam, T, void>;

/** Work under way in one process. */
export interface Job {
  /** Whose it is: a durable, or what the service does of its own. */
  readonly name: string;
  readonly orderId: string;
  readonly work: Work;
  readonly entry?: Entry;
  /** The state of what it is about when it began. */
  readonly before?: string;
  /** Its process died. */
  lost?(): void;
  seam?: Seam;
}

/** One process of a service: everything it has not committed is gone when it dies. */
export class Process {
  readonly jobs: Job[] = [];
  /** Down until then. */
  upAt = 0;

  start(job: Job): void {
    this.jobs.push(job);
  }

  /** Events of one order are handled one after the other within a process. */
  isBusyWith(orderId: string): boolean {
    return this.jobs.some((job) => job.entry?.said.orderId === orderId);
  }

  /** Goes on to the job's next seam. */
  advance(job: Job): void {
    const { done, value } = job.work.next();
    if (done) this.jobs.splice(this.jobs.indexOf(job), 1);
    else job.seam = value;
  }

  /** Dies. Returns what it was at. */
  kill(upAt: number): Job[] {
    this.upAt = upAt;
    return this.jobs.splice(0);
  }
}
