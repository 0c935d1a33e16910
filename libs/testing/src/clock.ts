const HOOK = `
const Real = Date;
let ahead = 0;
process.on('SIGUSR2', () => (ahead = ahead === 0 ? AHEAD_MS : 0));
globalThis.Date = class Date extends Real {
  constructor(...given) {
    if (given.length > 0) super(...given);
    else super(Real.now() + ahead);
  }
  static now() {
    return Real.now() + ahead;
  }
};`;

/** A value for NODE_OPTIONS: SIGUSR2 sets the clock of that process ahead by this much, and the next one sets it right. */
export const clockThatJumps = (aheadMs: number): string =>
  `--import=data:text/javascript,${encodeURIComponent(HOOK.replace('AHEAD_MS', String(aheadMs)))}`;
