import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { nkeyAuthenticator, nkeys, type NodeConnectionOptions } from '@nats-io/transport-node';

/** The files by which a client and its broker recognise each other; one that is not named is not asked for. */
export interface AccessFiles {
  /** Holds the NKey seed of the user to sign in as. */
  nkeyFile?: string | undefined;
  /** Holds the certificate, in PEM, of the authority that vouches for the broker. */
  caFile?: string | undefined;
}

/** A file by which a client should be recognised, or recognise its broker, is of no use. Says why, never what it holds. */
export class AccessFileError extends Error {
  readonly code = 'ACCESS_FILE';
  override name = 'AccessFileError';
}

/** Options of `connect()` for URLs separated by commas. With `tls://` nothing is sent without TLS; the client ignores schemes. */
export function serversIn(urls: string): { servers: string[]; tls?: Record<string, never> } {
  const servers = urls
    .split(',')
    .map((url) => url.trim())
    .filter((url) => url !== '');
  return { servers, ...(servers.some((url) => /^tls:/i.test(url)) && { tls: {} }) };
}

/** Options of `connect()` made of these files. With a CA nothing is ever sent without TLS. @throws AccessFileError */
export function access({ nkeyFile, caFile }: AccessFiles): Pick<NodeConnectionOptions, 'authenticator' | 'tls'> {
  for (const [path, problem] of [
    [nkeyFile, nkeyFile && seedProblem(nkeyFile)],
    [caFile, caFile && certificateProblem(caFile)],
  ])
    if (problem) throw new AccessFileError(`'${path}' cannot be used to sign in to the broker: ${problem}.`);
  return {
    ...(nkeyFile && { authenticator: nkeyAuthenticator(seedIn(nkeyFile)) }),
    ...(caFile && { tls: { caFile } }),
  };
}

/** Why a file cannot be used as the NKey seed of a user, or undefined. */
export function seedProblem(path: string): string | undefined {
  return problemWith(path, 'it does not hold the NKey seed of a user (SU…)', () =>
    nkeys.fromSeed(seedIn(path)).getPublicKey().startsWith('U'),
  );
}

/** Why a file cannot be used as a CA certificate, or undefined. */
export function certificateProblem(path: string): string | undefined {
  return problemWith(path, 'it does not hold a certificate in PEM', () =>
    Boolean(new X509Certificate(readFileSync(path)).subject),
  );
}

const seedIn = (path: string): Uint8Array => new TextEncoder().encode(readFileSync(path, 'utf8').trim());

function problemWith(path: string, otherwise: string, isUsable: () => boolean): string | undefined {
  try {
    readFileSync(path);
  } catch (error) {
    // Not the message, which repeats the path: that might be the secret itself.
    return `it cannot be read (${(error as NodeJS.ErrnoException).code ?? 'no reason given'})`;
  }
  try {
    if (isUsable()) return undefined;
  } catch {
    // What is wrong with it in detail might tell what it holds.
  }
  return otherwise;
}
