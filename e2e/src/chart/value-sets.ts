import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SERVICES } from '@pavane/contracts';
import { parse } from 'yaml';
import { CHART, VALUES_KEYS } from './helm.js';

const set = (...values: string[]): string[] => values.flatMap((value) => ['--set', value]);
const { publicKeys } = parse(readFileSync(VALUES_KEYS, 'utf8')).nats as { publicKeys: Record<string, string[]> };
/** Public keys whose seeds nobody has, for services that came later. */
const SPARE = [
  'UDGD3TK57IXVILDP6HLOWYI6YV3MIUEIBRK44ZOII7HAC5VN7AOT2L2H',
  'UAXKSOSK4JMBRUSENYLI2HZJCKFT6VQUCTPHXCIQGFQ5475YVOEVTMON',
  'UB4V6A3VCOTDD3FJYJFQV5RZCG4F7X6PJAQXJK5UBTRC2MR5FU5T6L6R',
  'UAZXVZTN3HVCHHPC2JQEGK5LRJBCA3IZHSUZMV7XWARLV7GC6TPZTBNV',
  'UD6X4WDTU7VFH7YQAVE6RFMQYRBIQK4JHX5W3ZOKI62EB55YY7VJMFZM',
  'UCAJWR2AD2ZHV57I5PYJNYXAALVB6GRTJXTZVWOL43DYZUOPC5A4YDZ3',
];
/** A key for every user. */
const keys = [
  '-f',
  VALUES_KEYS,
  ...set(
    ...SERVICES.filter((service) => !publicKeys[service]).map(
      (service, i) => `nats.publicKeys.${service}={${SPARE[i % SPARE.length]}}`,
    ),
  ),
];
const dev = ['-f', join(CHART, 'values-dev.yaml'), ...keys];
const prod = ['-f', join(CHART, 'values-prod.yaml')];

/** Ways to deploy the platform: each is rendered, linted and checked. */
export const VALUE_SETS: Record<string, readonly string[]> = {
  dev,
  prod,
  'the least: everything external, nothing else': set(
    'services.payment.env.PROVIDER_URL=https://payments.example.com',
    'services.notification.secrets.SMTP_URL=smtp',
  ),
  'a provider without webhooks, and an Ingress': set(
    'services.payment.env.PROVIDER_URL=https://payments.example.com',
    'services.notification.secrets.SMTP_URL=smtp',
    'ingress.host=shop.example.com',
  ),
  'dev with TLS to NATS': [...dev, ...set('nats.tls.enabled=true')],
  'dev with one nats-server': [...dev, ...set('nats.replicas=1')],
  'dev with monitoring and traces': [
    ...dev,
    ...set('monitoring.serviceMonitors=true', 'monitoring.rules=true', 'monitoring.dashboard=true'),
    ...set('tracingEndpoint=http://tempo:4318'),
  ],
  'dev with NATS elsewhere': [...dev, ...set('nats.bundled=false')],
  'prod with bundled NATS, monitored': [...prod, ...keys, ...set('nats.bundled=true', 'nats.replicas=5')],
  'prod with a private registry': [
    ...prod,
    ...set('image.registry=registry.example.com/shop', 'image.prefix=', 'image.tag=1.2.3', 'image.pullSecrets={pull}'),
  ],
  'prod with a service that calls somebody outside': [
    ...prod,
    ...set('services.inventory.egress.port=443', 'services.inventory.egress.to[0].ipBlock.cidr=203.0.113.0/24'),
  ],
  'prod without network policies': [...prod, ...set('networkPolicy.enabled=false')],
};
