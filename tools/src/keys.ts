import { resolve } from 'node:path';
import type { BrokerUser } from '@pavane/contracts';
import { main, UsageError } from './cli/command.js';
import { emit } from './keys/emit.js';
import { KeyRing, USERS } from './keys/ring.js';

await main({
  usage: 'npm run keys -- --out DIR [--kubernetes] [--rotate USER | --retire USER] [--json]',
  about: `Creates the keys by which services sign in to NATS, and what nats-server and Kubernetes need to know of them.
Users: ${USERS.join(', ')}. A key that is there stays; what is derived is written anew.`,
  options: {
    out: { type: 'string' },
    kubernetes: { type: 'boolean' },
    rotate: { type: 'string' },
    retire: { type: 'string' },
    json: { type: 'boolean' },
  },
  help: {
    '--out DIR': 'where USER.nk (secret seeds), nats-auth.conf and values-keys.yaml are written',
    '--kubernetes': 'write secrets.yaml as well: a Secret nats-USER with its seed, and nats-cluster',
    '--rotate USER': 'a new key; the old one is accepted as well. Give both to NATS first, then restart the user',
    '--retire USER': 'drop the old key, once nobody uses it any more',
    '--json': 'print one JSON object as the last line; it has no secrets',
  },
  async run({ out, kubernetes, rotate, retire, json }, positionals) {
    if (!out || positionals.length > 0) throw new UsageError('say --out DIR');
    if (rotate && retire) throw new UsageError('say --rotate or --retire, one at a time');
    const ring = KeyRing.open(resolve(out));
    if (rotate) ring.rotate(userCalled(rotate));
    if (retire) ring.retire(userCalled(retire));
    const files = emit(ring, { kubernetes: kubernetes ?? false });
    const publicKeys = Object.fromEntries(USERS.map((user) => [user, ring.publicKeys(user)]));
    if (json) console.log(JSON.stringify({ dir: ring.dir, files, publicKeys }));
    else {
      for (const user of USERS) console.log(`  ${user.padEnd(13)} ${ring.publicKeys(user).join(' and ')}`);
      console.log(`\n  in ${ring.dir}: USER.nk (secret), ${files.join(', ')}`);
    }
    return 0;
  },
});

function userCalled(name: string): BrokerUser {
  const user = USERS.find((known) => known === name);
  if (!user) throw new UsageError(`no user is called ${name}; there are ${USERS.join(', ')}`);
  return user;
}
