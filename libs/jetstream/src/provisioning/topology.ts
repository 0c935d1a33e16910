import type { ConsumerConfig, StreamConfig } from '@nats-io/jetstream';

/** A configuration as plain data: enumerations may be given as strings. Durations are nanoseconds, as NATS has them. */
type Plain<T> = { [K in keyof T]?: NonNullable<T[K]> extends string ? string : T[K] };

export interface StreamDefinition {
  config: Plain<StreamConfig> & { name: string };
  /** Durables of the stream. They are made right after it, and before the streams that come later in the list. */
  consumers?: readonly (Plain<ConsumerConfig> & { durable_name: string })[];
}

/** A key-value bucket. */
export interface BucketDefinition {
  name: string;
  description?: string;
  /** Values kept of each key. Default 1. */
  history?: number;
  /** How long a value is kept, in nanoseconds. Default: for ever. */
  ttl?: number;
  replicas?: number;
  max_bytes?: number;
}

/** Everything NATS shall hold. Fields that are not given are left as they are. */
export interface Topology {
  streams: readonly StreamDefinition[];
  buckets: readonly BucketDefinition[];
}

const TWO_MINUTES = 120e9;

/** A bucket is a stream with a certain configuration; told apart by its name alone. */
export function bucketStream(bucket: BucketDefinition): StreamDefinition {
  return {
    config: {
      name: `KV_${bucket.name}`,
      subjects: [`$KV.${bucket.name}.>`],
      ...(bucket.description === undefined ? {} : { description: bucket.description }),
      max_msgs_per_subject: bucket.history ?? 1,
      max_age: bucket.ttl ?? 0,
      duplicate_window: Math.min(bucket.ttl || TWO_MINUTES, TWO_MINUTES),
      ...(bucket.max_bytes === undefined ? {} : { max_bytes: bucket.max_bytes }),
      num_replicas: bucket.replicas ?? 1,
      storage: 'file',
      retention: 'limits',
      discard: 'new',
      allow_rollup_hdrs: true,
      allow_direct: true,
    },
  };
}
