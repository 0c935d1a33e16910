import { createServer } from 'node:net';
import { freePort } from '@pavane/testing/servers';
import { type PortName, PORTS } from './settings.js';

/** A free port for everything of a platform, no two alike. */
export async function freePorts(): Promise<Record<PortName, number>> {
  const taken = new Set<number>();
  const ports: Partial<Record<PortName, number>> = {};
  for (const name of Object.keys(PORTS) as PortName[]) {
    let port = await freePort();
    while (taken.has(port)) port = await freePort();
    taken.add(port);
    ports[name] = port;
  }
  return ports as Record<PortName, number>;
}

/** Throws one error that names every port that is taken, or named twice, with the variable that changes it. */
export async function requireFree(ports: Record<PortName, number>): Promise<void> {
  const names = Object.keys(PORTS) as PortName[];
  const label = (name: PortName) => `${ports[name]} (${PORTS[name].variable})`;
  const twice = names.filter((name) => names.some((other) => other !== name && ports[other] === ports[name]));
  if (twice.length > 0)
    throw new Error(`these ports are meant for two servers at once: ${twice.map(label).join(', ')}`);
  const free = await Promise.all(names.map((name) => isFree(ports[name])));
  const taken = names.filter((_, i) => !free[i]);
  if (taken.length === 0) return;
  throw new Error(
    `these ports are in use: ${taken.map(label).join(', ')}. Perhaps the platform is running already; else stop what uses them, or set the variables to other ports.`,
  );
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
