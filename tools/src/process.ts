/** An integer from the environment; a value that is none is an error that names the variable. */
export function integerFrom(env: NodeJS.ProcessEnv, name: string, fallback: number): number {
  const value = env[name];
  if (value === undefined || value === '') return fallback;
  if (!/^\d+$/.test(value)) throw new Error(`${name} is "${value}"; it must be a whole number of at least 0`);
  return Number(value);
}

/**
 * Runs a small server as a process: starts it, says where it listens, and closes it on SIGTERM or SIGINT with exit
 * code 0. A second signal, or a failed start, ends the process with 1.
 */
export async function runServer(start: () => Promise<{ greeting: string; close: () => Promise<void> }>): Promise<void> {
  try {
    const server = await start();
    let closing = false;
    const end = () => {
      if (closing) process.exit(1);
      closing = true;
      server.close().then(
        () => process.exit(0),
        (error: unknown) => fail(error),
      );
    };
    process.on('SIGTERM', end).on('SIGINT', end);
    console.log(server.greeting);
  } catch (error) {
    fail(error);
  }
}

function fail(error: unknown): void {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
