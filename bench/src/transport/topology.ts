import { connect } from '@nats-io/transport-node';
import { apply, type Topology } from '@pavane/jetstream/provisioning';

export const STREAM = 'BENCH';
export const DURABLE = 'bench_payments-completed';
/** One subject an order, as in the saga. */
export const SUBJECT = 'payments.completed';
export const REQUESTS = 'bench.ask';

/** Messages handled at a time: what a service has unless it says otherwise. */
export const CONCURRENCY = 16;

const SECOND = 1e9;

/** The stream and the durable of one step of the saga, on one server. */
const TOPOLOGY: Topology = {
  streams: [
    {
      config: {
        name: STREAM,
        subjects: [`${SUBJECT}.*`],
        storage: 'file',
        retention: 'interest',
        discard: 'new',
        max_bytes: 1024 ** 3,
        duplicate_window: 120 * SECOND,
      },
      consumers: [
        {
          durable_name: DURABLE,
          filter_subject: `${SUBJECT}.*`,
          ack_policy: 'explicit',
          deliver_policy: 'all',
          max_deliver: -1,
          ack_wait: 5 * SECOND,
          max_ack_pending: 500,
        },
      ],
    },
    { config: { name: 'DLQ', subjects: ['dlq.>'], storage: 'file', retention: 'limits' } },
  ],
  buckets: [{ name: 'attempts', ttl: 3600 * SECOND }],
};

export async function provision(url: string): Promise<void> {
  const nc = await connect({ servers: url });
  await apply(nc, TOPOLOGY);
  await nc.close();
}
