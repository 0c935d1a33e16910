const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** Nothing has been taken in yet, so nothing is to be finished. */
const leave = (): never => process.exit(0);

/**
 * From now on SIGTERM and SIGINT end the process at once with 0, until `keepOnSignals`. Without a listener the first process
 * of a container ignores them: one that is stopped while it starts would go on until it is killed.
 */
export function leaveOnSignals(): void {
  for (const signal of SIGNALS) if (!process.listeners(signal).includes(leave)) process.on(signal, leave);
}

/** Somebody else listens from now on. */
export function keepOnSignals(): void {
  for (const signal of SIGNALS) process.off(signal, leave);
}
