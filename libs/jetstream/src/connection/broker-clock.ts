/**
 * What time it is to the broker, reckoned on from what it said last: its schedules and the ages of its messages are not
 * to be judged by a process whose own clock may be wrong, or jump.
 */
export class BrokerClock {
  private heard: { theirs: number; at: number } | undefined;

  /** Takes the `ts` of an answer. */
  learn(ts: string | undefined): void {
    const theirs = Date.parse(ts ?? '');
    if (!Number.isNaN(theirs)) this.heard = { theirs, at: performance.now() };
  }

  /** Milliseconds since 1970; by this process's clock until the broker has said it. */
  now(): number {
    return this.heard ? this.heard.theirs + (performance.now() - this.heard.at) : Date.now();
  }
}
