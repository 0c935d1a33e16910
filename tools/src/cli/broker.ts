import { connect, type NatsConnection } from '@nats-io/transport-node';
import { access } from '@pavane/jetstream/access';
import { addressesFrom } from '../local/settings.js';

/** What `--help` says about where NATS is, and as whom to go there. */
export const NATS_HELP = {
  NATS_URL: 'where NATS is (default: the local platform)',
  NATS_NKEY_FILE: 'file with the NKey seed of the operator, when NATS asks who it is; see npm run keys',
  NATS_CA_FILE: 'file with the CA certificate, when NATS is reached by TLS',
};

/** Connects as whom `NATS_NKEY_FILE` and `NATS_CA_FILE` say, where they are set; rejects with where it looked. */
export async function connectToNats(url = addressesFrom().nats): Promise<NatsConnection> {
  const { NATS_NKEY_FILE: nkeyFile, NATS_CA_FILE: caFile } = process.env;
  const options = access({ nkeyFile, caFile });
  try {
    return await connect({ servers: url.split(',').map((server) => server.trim()), timeout: 5000, ...options });
  } catch (error) {
    const reason = (error as Error).message;
    const where = url.replaceAll(/:\/\/[^@/,]*@/g, '://');
    throw new Error(
      `nats-server could not be reached at ${where} (${reason}); is the platform running, and there? NATS_URL or NATS_PORT say where, NATS_NKEY_FILE and NATS_CA_FILE as whom.`,
      { cause: error },
    );
  }
}
