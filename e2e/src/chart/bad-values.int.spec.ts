import { join } from 'node:path';
import { expect, it, jest } from '@jest/globals';
import { LEAST_STORE } from '@pavane/contracts';
import { CHART, describeChart, template, VALUES_KEYS } from './helm.js';

jest.setTimeout(120_000);

const dev = ['-f', join(CHART, 'values-dev.yaml'), '-f', VALUES_KEYS];
const prod = ['-f', join(CHART, 'values-prod.yaml')];

/** What is wrong, the values, and what the message must name. */
const BAD: [what: string, base: readonly string[], values: string, names: RegExp][] = [
  ['a key nobody knows', dev, 'replicas=3', /replicas/],
  ['a misspelled key of a group', dev, 'image.registri=x', /image.*registri/s],
  ['a misspelled key of a service', dev, 'services.order.replica=2', /services.*order.*replica/s],
  [
    'a service that is not in the saga table',
    dev,
    'services.stranger.port=3004,services.stranger.replicas=1',
    /services.*stranger/s,
  ],
  ['a service without a replica', dev, 'services.payment.replicas=0', /services.*payment.*replicas/s],
  ['replicas that are no number', dev, 'services.payment.replicas=two', /services.*payment.*replicas/s],
  ['a port that needs root', dev, 'services.order.port=80', /services.*order.*port/s],
  ['a variable that is no name', dev, 'services.order.env.order-deadline=15m', /services.*order.*env.*order-deadline/s],
  [
    'a variable that the chart sets',
    dev,
    'services.order.env.DATABASE_URL=postgresql://x',
    /services.*order.*env.*DATABASE_URL/s,
  ],
  [
    'a variable given twice',
    dev,
    'services.order.env.SECRET=a,services.order.secrets.SECRET=b',
    /services\.order\.env\.SECRET/,
  ],
  ['no time to drain', dev, 'shutdown.drainSeconds=0', /shutdown.*drainSeconds/s],
  ['no time to be looked away from', dev, 'shutdown.preStopSeconds=0', /shutdown.*preStopSeconds/s],
  ['a pull policy that does not exist', dev, 'image.pullPolicy=Sometimes', /image.*pullPolicy/s],
  ['a registry with a scheme', dev, 'image.registry=https://ghcr.io/', /image.*registry/s],
  ['an even number of nats-servers', dev, 'nats.replicas=2', /nats.*replicas/s],
  ['a key that is no public user key', dev, 'nats.publicKeys.order={SUAIBDPBAUTW}', /nats.*publicKeys.*order/s],
  [
    'a key of nobody',
    dev,
    'nats.publicKeys.stranger={UDFA6ZCNK6S2DDRNP36LEYT2D4ZJO3MI353QHVIKCMGN76UQ7I37OLUY}',
    /nats\.publicKeys\.stranger/,
  ],
  [
    'bundled NATS without keys',
    ['-f', join(CHART, 'values-dev.yaml')],
    'nats.replicas=3',
    /nats\.publicKeys\.\w+ is missing/,
  ],
  [
    'streams that do not fit the volume',
    dev,
    'nats.storage.size=1000Mi',
    /nats\.store is 768Mi, more than three quarters of nats\.storage\.size, which is 1000Mi/,
  ],
  ['streams that do not fit the volume by default', dev, 'nats.store=7Gi', /nats\.store is 7Gi.*which is 1Gi/],
  ['a volume said in bytes that is too small', dev, 'nats.storage.size=1000000000', /nats\.store is 768Mi/],
  ['room in which no stream could work', prod, `nats.store=${LEAST_STORE / 1024 ** 2 - 1}Mi`, /nats\.store is 255Mi/],
  ['room that is no size', prod, 'nats.store=lots', /nats.*store/s],
  ['a NATS URL with a password in it', prod, 'nats.url=tls://a:b@nats:4222', /nats.*url/s],
  ['a NATS URL in plain text where TLS is on', prod, 'nats.url=nats://nats:4222', /nats\.url/],
  ['no payment provider', prod, 'services.payment.env=null', /services.*payment.*env/s],
  ['a service of the saga left out', dev, 'services.inventory=null', /services\.inventory is missing/],
  ['no mail server', dev, 'mail.bundled=false', /services\.notification\.secrets\.SMTP_URL/],
  ['fewer pods at most than at least', prod, 'autoscaling.maxReplicas=2', /autoscaling\.maxReplicas/],
  ['more than all of a CPU', prod, 'autoscaling.cpuUtilization=150', /autoscaling.*cpuUtilization/s],
  ['an amount that is none', dev, 'resources.limits.memory=lots', /resources.*limits.*memory/s],
  ['a peer that is none', dev, 'networkPolicy.clients[0].cidr=10.0.0.0/8', /networkPolicy.*clients/s],
  ['a traces endpoint without a scheme', dev, 'tracingEndpoint=collector:4318', /tracingEndpoint/],
  ['an environment nobody knows', dev, 'nodeEnv=staging', /nodeEnv/],
];

describeChart('values that cannot be right', () => {
  it.each(BAD)('are refused, and the message names them: %s', async (_, base, values, names) => {
    await expect(template([...base, '--set', values])).rejects.toThrow(names);
  });
});
