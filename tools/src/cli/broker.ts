import { connect, type NatsConnection } from '@nats-io/transport-node';
import { addressesFrom } from '../local/settings.js';

/** Connects to the platform's NATS, as `NATS_USER` where it is set; rejects with where it looked. */
export async function connectToNats(): Promise<NatsConnection> {
  const { nats } = addressesFrom();
  const user = process.env['NATS_USER'];
  try {
    return await connect({ servers: nats, ...(user && { user, pass: process.env['NATS_PASSWORD'] ?? '' }) });
  } catch (error) {
    const reason = (error as Error).message;
    throw new Error(
      `nats-server could not be reached at ${nats} (${reason}); is the platform running, and there? NATS_URL or NATS_PORT say where.`,
      { cause: error },
    );
  }
}
