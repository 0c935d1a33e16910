import { JetStreamApiError } from '@nats-io/jetstream';

/** Provisioning stopped: says what happened, to what, and what to do about it. */
export class ProvisioningError extends Error {
  readonly code = 'PROVISIONING';

  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'ProvisioningError';
  }
}

/** What to do about the server's error codes that a topology can run into. */
const REMEDIES: Record<number, string> = {
  10005: 'Start more servers, or ask for fewer replicas.',
  10012: 'Compare the consumer with its stream: the subjects and the ack policy have to fit.',
  10023: 'Free storage, or lower max_bytes: the server cannot reserve that much.',
  10026: 'Remove consumers of this stream, or raise its max_consumers.',
  10028: 'Free storage, or lower max_bytes.',
  10039: 'Enable JetStream for this account.',
  10047: 'Free storage, or lower max_bytes: the server cannot reserve that much.',
  10052:
    'The server does not allow this change. Make a new stream under another name, or drain and delete this one first.',
  10058: 'Another stream has this name. Rename one of the two.',
  10065: 'Another stream listens on these subjects. Remove them there first.',
  10074: 'Run a cluster, or ask for one replica.',
  10100: 'Another consumer of this stream has an overlapping filter, which a work queue forbids.',
  10148: 'Another consumer has this name and cannot be changed into this one. Drain it, then apply with --force.',
};

export function explain(doing: string, thrown: unknown): ProvisioningError {
  const cause = thrown as Error;
  if (cause instanceof JetStreamApiError) {
    const remedy =
      REMEDIES[cause.code] ?? 'Look the code up in the server’s documentation, correct the topology and apply again.';
    return new ProvisioningError(`Could not ${doing}: ${cause.message} (${cause.code}). ${remedy}`, { cause });
  }
  if (cause.name === 'JetStreamNotEnabled') {
    return new ProvisioningError(
      `Could not ${doing}: JetStream does not answer. Start nats-server with JetStream, or wait until its cluster has a leader.`,
      { cause },
    );
  }
  return new ProvisioningError(
    `Could not ${doing}: ${cause.message}. Check that the broker is up and this user may use $JS.API.>.`,
    { cause },
  );
}
