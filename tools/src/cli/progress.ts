import type { Progress } from '../local/platform.js';
import { PORTS, SERVICES } from '../local/settings.js';

/** Prints each step with the time it took; to stderr, so that `--json` output stays clean. */
export const printed: Progress = async (what, work) => {
  const start = performance.now();
  const live = process.stderr.isTTY;
  if (live) process.stderr.write(`  … ${what}`);
  const slow = live ? undefined : setTimeout(() => process.stderr.write(`  … ${what}\n`), 2000);
  try {
    const result = await work();
    process.stderr.write(
      `${live ? '\r\x1b[K' : ''}  ✔ ${what} (${((performance.now() - start) / 1000).toFixed(1)} s)\n`,
    );
    return result;
  } catch (error) {
    process.stderr.write(`${live ? '\r\x1b[K' : ''}  ✘ ${what}\n`);
    throw error;
  } finally {
    clearTimeout(slow);
  }
};

/** Prints that a process of the platform died; it is being started again. */
export const printDeath = (name: string, how: string): void =>
  console.error(`  ! ${name} died (${how}) and is started again`);

/** The variables that say where the databases of a platform elsewhere are, and what they mean, for `--help`. */
export const DATABASES_HELP = {
  'ORDER_DATABASE_URL, …': `databases of a platform elsewhere: ${SERVICES.map((service) => service.toUpperCase()).join(', ')} (default: the local platform)`,
};

/** What the variables of the local platform mean, for `--help`. */
export const PLATFORM_HELP = {
  'ORDER_PORT, PAYMENT_PORT, …': `ports of the local platform: ${Object.values(PORTS)
    .map(({ variable }) => variable.replace(/_PORT$/, ''))
    .join(', ')}`,
  PLATFORM_DIR: 'where the local platform keeps its state (default .platform)',
  NATS_SERVER_BIN: 'a nats-server 2.15.1 or later to use instead of a downloaded one',
};
