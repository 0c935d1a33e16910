import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nkeys } from '@nats-io/transport-node';
import { type BrokerUser, brokerUsers } from '@pavane/contracts';
import { UsageError } from '../cli/command.js';

/** Everybody who connects to the broker. */
export const USERS = Object.keys(brokerUsers()) as BrokerUser[];

/** A directory with the NKey seed of every user of the broker: `<user>.nk`, and `<user>.old.nk` while a key is rotated. */
export class KeyRing {
  private constructor(readonly dir: string) {}

  /** Opens the directory, and creates it and every key that it lacks. Keys that are there stay as they are. */
  static open(dir: string): KeyRing {
    mkdirSync(dir, { recursive: true });
    const ring = new KeyRing(dir);
    for (const user of USERS) if (!existsSync(ring.file(user))) ring.#create(user);
    return ring;
  }

  /** Where the seed is that a user signs in with. */
  file(user: BrokerUser): string {
    return join(this.dir, `${user}.nk`);
  }

  /** Gives a user a new key. The old one stays allowed until it is retired. */
  rotate(user: BrokerUser): void {
    if (existsSync(this.#old(user)))
      throw new UsageError(
        `${user} has two keys already. Once every instance uses the new one, say --retire ${user}; then rotate again.`,
      );
    renameSync(this.file(user), this.#old(user));
    this.#create(user);
  }

  /** Forgets the key that a rotation has replaced. */
  retire(user: BrokerUser): void {
    if (!existsSync(this.#old(user)))
      throw new UsageError(`${user} has no old key to retire. --rotate ${user} makes a new one beside it.`);
    rmSync(this.#old(user));
  }

  seed(user: BrokerUser): string {
    return readFileSync(this.file(user), 'utf8').trim();
  }

  /** The public keys the broker is to accept for a user, the present one first. */
  publicKeys(user: BrokerUser): string[] {
    return [this.file(user), this.#old(user)].filter((file) => existsSync(file)).map(publicKeyIn);
  }

  /** A random secret under a name, the same one each time. */
  secret(name: string, create: () => string): string {
    const file = join(this.dir, name);
    if (!existsSync(file)) writeSecret(file, create());
    return readFileSync(file, 'utf8').trim();
  }

  #old(user: BrokerUser): string {
    return join(this.dir, `${user}.old.nk`);
  }

  #create(user: BrokerUser): void {
    writeSecret(this.file(user), new TextDecoder().decode(nkeys.createUser().getSeed()));
  }
}

/** Writes a file that only its owner can read, and never over another. */
function writeSecret(file: string, text: string): void {
  writeFileSync(file, `${text}\n`, { mode: 0o600, flag: 'wx' });
}

function publicKeyIn(file: string): string {
  try {
    return nkeys.fromSeed(new TextEncoder().encode(readFileSync(file, 'utf8').trim())).getPublicKey();
  } catch {
    throw new Error(`${file} does not hold an NKey seed; restore it, or remove it to have a new key made`);
  }
}
