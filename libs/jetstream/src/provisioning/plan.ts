import {
  type ConsumerConfig,
  type ConsumerInfo,
  jetstreamManager,
  type JetStreamManager,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { Change } from './change.js';
import { type Difference, differences, show } from './compare.js';
import { consumerDanger, needsRecreation, streamDanger } from './danger.js';
import { explain } from './errors.js';
import { requireRoom, sizeOf } from './room.js';
import { bucketStream, type StreamDefinition, type Topology } from './topology.js';

/**
 * What `apply` would do, in its order. Changes nothing. Throws `ProvisioningError` when the broker has no room for the
 * streams, that is for their `max_bytes` taken together.
 */
export async function plan(nc: NatsConnection, topology: Topology): Promise<Change[]> {
  const jsm = await jetstreamManager(nc, { checkAPI: false });
  const streams = [...topology.streams, ...topology.buckets.map(bucketStream)];
  const changes: Change[] = [];
  let reserved = 0;
  for (const stream of streams) {
    const info = await orMissing<StreamInfo>(`look up stream ${stream.config.name}`, () =>
      jsm.streams.info(stream.config.name),
    );
    reserved += Math.max(0, info?.config.max_bytes ?? 0);
    changes.push(...(await planStream(jsm, stream, info)));
  }
  await requireRoom(jsm, streams, reserved);
  changes.push(...(await leftoverStreams(jsm, new Set(streams.map(({ config }) => config.name)))));
  return changes;
}

async function planStream(
  jsm: JetStreamManager,
  { config, consumers = [] }: StreamDefinition,
  info: StreamInfo | undefined,
): Promise<Change[]> {
  const { name } = config;
  const changes: Change[] = [];
  if (!info) {
    const limit = config.max_bytes && `at most ${sizeOf(config.max_bytes)}`;
    const detail = [config.retention, config.subjects?.join(' '), limit].filter(Boolean).join(', ');
    changes.push(
      new Change('create', `stream ${name}`, detail, undefined, () =>
        jsm.streams.add(config as Partial<StreamConfig> & { name: string }),
      ),
    );
  } else {
    const changed = differences(config, info.config);
    if (changed.length > 0) {
      const make = () => jsm.streams.update(name, config as Partial<StreamConfig>);
      changes.push(new Change('update', `stream ${name}`, list(changed), await streamDanger(jsm, info, changed), make));
    }
  }
  for (const consumer of consumers) {
    changes.push(
      ...(await planConsumer(
        jsm,
        name,
        consumer as Partial<ConsumerConfig> & { durable_name: string },
        info !== undefined,
      )),
    );
  }
  if (info) changes.push(...(await leftoverConsumers(jsm, name, new Set(consumers.map((c) => c.durable_name)))));
  return changes;
}

async function planConsumer(
  jsm: JetStreamManager,
  stream: string,
  config: Partial<ConsumerConfig> & { durable_name: string },
  streamExists: boolean,
): Promise<Change[]> {
  const durable = config.durable_name;
  const target = `consumer ${stream}/${durable}`;
  const add = () => jsm.consumers.add(stream, config);
  // Asked for one by one: for seconds after a cluster restart the list of consumers is empty.
  const info = streamExists
    ? await orMissing<ConsumerInfo>(`look up ${target}`, () => jsm.consumers.info(stream, durable))
    : undefined;
  if (!info) return [new Change('create', target, config.filter_subject ?? 'everything', undefined, add)];
  const changed = differences(config, info.config);
  if (changed.length === 0) return [];
  const danger = consumerDanger(info, changed);
  if (changed.some(({ field }) => needsRecreation(field))) {
    const remake = async () => {
      await jsm.consumers.delete(stream, durable);
      await add();
    };
    return [new Change('recreate', target, list(changed), danger, remake)];
  }
  return [new Change('update', target, list(changed), danger, () => jsm.consumers.update(stream, durable, config))];
}

async function leftoverConsumers(jsm: JetStreamManager, stream: string, wanted: Set<string>): Promise<Change[]> {
  const found: Change[] = [];
  for await (const { name, config, num_pending, num_ack_pending } of jsm.consumers.list(stream)) {
    if (!config.durable_name || wanted.has(name)) continue;
    const refused = `its ${num_pending + num_ack_pending} unhandled messages would be lost to it`;
    found.push(
      new Change('leftover', `consumer ${stream}/${name}`, 'not in the topology', refused, () =>
        jsm.consumers.delete(stream, name),
      ),
    );
  }
  return found;
}

async function leftoverStreams(jsm: JetStreamManager, wanted: Set<string>): Promise<Change[]> {
  const found: Change[] = [];
  for await (const { config } of jsm.streams.list()) {
    const { name } = config;
    // Buckets belong to whoever opened them, and a stream may be somebody else's: only told, never removed.
    if (wanted.has(name) || /^(KV|OBJ)_/.test(name)) continue;
    found.push(
      new Change(
        'leftover',
        `stream ${name}`,
        `not in the topology; remove it by hand if it is nobody’s${config.max_bytes > 0 ? '' : ', else limit it: without max_bytes it can take the room of all others'}`,
        undefined,
        undefined,
      ),
    );
  }
  return found;
}

async function orMissing<T>(doing: string, look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look();
  } catch (error) {
    if ((error as Error).name === 'StreamNotFoundError' || (error as Error).name === 'ConsumerNotFoundError')
      return undefined;
    throw explain(doing, error);
  }
}

function list(changed: Difference[]): string {
  return changed.map(show).join(', ');
}
