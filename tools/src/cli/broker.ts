import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { connect, errors, type NatsConnection } from '@nats-io/transport-node';
import { access, serversIn } from '@pavane/jetstream/access';
import { addressesFrom, ROOT } from '../local/settings.js';

/** What `--help` says about where NATS is, and as whom to go there. */
export const NATS_HELP = {
  NATS_URL: 'where NATS is (default: the local platform)',
  NATS_NKEY_FILE:
    'file with the NKey seed of the operator, when NATS asks who it is (default: .keys/operator.nk); see npm run keys',
  NATS_CA_FILE: 'file with the CA certificate, when NATS is reached by TLS',
};

/** Where the platform in containers leaves the operator's seed for the commands on this machine. */
const CONTAINERS_KEY = join(ROOT, '.keys/operator.nk');

/**
 * Connects as whom `NATS_NKEY_FILE` and `NATS_CA_FILE` say; where none is named and the broker asks, as the operator of
 * the platform in containers. Rejects with where it looked.
 */
export async function connectToNats(url = addressesFrom().nats): Promise<NatsConnection> {
  const { NATS_NKEY_FILE: nkeyFile, NATS_CA_FILE: caFile } = process.env;
  const named = access({ nkeyFile, caFile });
  if (/:\/\/[^/,]*@/.test(url))
    throw new Error('user and password in NATS_URL would not be used; name a file with a seed in NATS_NKEY_FILE');
  const connectAs = (who: typeof named) => connect({ ...serversIn(url), timeout: 5000, ...who });
  try {
    return await connectAs(named).catch((error: unknown) => {
      if (nkeyFile || !(error instanceof errors.AuthorizationError) || !existsSync(CONTAINERS_KEY)) throw error;
      return connectAs(access({ nkeyFile: CONTAINERS_KEY, caFile }));
    });
  } catch (error) {
    const reason = (error as Error).message;
    throw new Error(
      `nats-server could not be reached at ${url} (${reason}); is the platform running, and there? NATS_URL or NATS_PORT say where, NATS_NKEY_FILE and NATS_CA_FILE as whom.`,
      { cause: error },
    );
  }
}
