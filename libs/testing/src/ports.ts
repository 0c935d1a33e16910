import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** The port asked for is taken. `port` says which, so that a caller can name the setting that moves it. */
export class PortBusy extends Error {
  readonly code = 'PORT_BUSY';

  constructor(
    what: string,
    readonly port: number,
    options?: ErrorOptions,
  ) {
    super(
      `${what} cannot listen: port ${port} on 127.0.0.1 is in use. Stop the program that has it, or choose another port with the \`port\` setting.`,
      options,
    );
    this.name = 'PortBusy';
  }
}

// Below the ephemeral ranges of Linux (32768) and macOS (49152): a port in those may be taken by any outgoing
// connection while a server restarts, and a client that reconnects to it can even connect to itself.
const LOWEST = 15_000;
const HIGHEST = 32_000;

/** A TCP port on 127.0.0.1 that nobody listens on now. Nothing reserves it: listen soon, and be ready to ask again. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = randomInt(LOWEST, HIGHEST);
    if (await isFree(port)) return port;
  }
  throw new Error(`no free TCP port found between ${LOWEST} and ${HIGHEST} on 127.0.0.1`);
}

/** True when 127.0.0.1:port can be listened on now. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)));
  });
}
