import { randomUUID } from 'node:crypto';
import { JetStreamApiError, type JetStreamManager } from '@nats-io/jetstream';
import { explain, ProvisioningError } from './errors.js';
import type { StreamDefinition } from './topology.js';

/** Whether the server cannot reserve what a stream asks for. In a cluster its code stands for other reasons as well. */
const isNoRoom = (error: unknown): error is JetStreamApiError =>
  error instanceof JetStreamApiError &&
  ([10023, 10047].includes(error.code) || (error.code === 10005 && error.message.includes('storage')));

/**
 * Rejects when the broker cannot give the streams the room that they limit themselves to (`max_bytes`), with all sizes.
 * `reserved` is what streams of the same names have of it already, in bytes. The broker does not tell what it has, unless
 * its account is limited; so the room that is missing is asked for, and given back at once.
 */
export async function requireRoom(
  jsm: JetStreamManager,
  streams: readonly StreamDefinition[],
  reserved: number,
): Promise<void> {
  const wanted = streams.map(({ config }) => ({ name: config.name, bytes: Math.max(0, config.max_bytes ?? 0) }));
  const needed = wanted.reduce((sum, { bytes }) => sum + bytes, 0);
  const missing = needed - reserved;
  if (missing <= 0) return;
  const replicas = Math.max(1, ...streams.map(({ config }) => config.num_replicas ?? 1));
  const sizes = wanted.filter(({ bytes }) => bytes > 0).map(({ name, bytes }) => `${name} ${sizeOf(bytes)}`);
  const refuse = (reason: string, cause?: unknown) =>
    new ProvisioningError(
      `Nothing was applied, since the broker has no room for it: the streams need ${sizeOf(needed)} on each server (${sizes.join(', ')}), ${sizeOf(missing)} more than they have there, and ${reason}. Give JetStream more (max_file_store, and a volume that holds it; the limits of the account), or limit the streams to less (max_bytes).`,
      { cause },
    );

  const { limits, reserved_storage: taken } = await jsm.getAccountInfo().catch((error: unknown) => {
    throw explain('look up the account', error);
  });
  const left = limits.max_storage - taken;
  if (limits.max_storage >= 0 && missing * replicas > left)
    throw refuse(`of the ${sizeOf(limits.max_storage)} of the account ${sizeOf(Math.max(0, left))} are not taken`);

  const name = `ROOM_${randomUUID()}`;
  try {
    await jsm.streams.add({ name, subjects: [name], max_bytes: missing, num_replicas: replicas });
  } catch (error) {
    if (isNoRoom(error)) throw refuse(`the server answers "${error.message}"`, error);
    throw explain('ask for the room of the streams', error);
  }
  await jsm.streams.delete(name);
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Bytes as a person reads them: `819.2 MiB`. */
export function sizeOf(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // What would be rounded to 1024 is one of the next unit.
  for (; value >= 1023.95 && unit < UNITS.length - 1; unit++) value /= 1024;
  return `${Math.round(value * 10) / 10} ${UNITS[unit]}`;
}
