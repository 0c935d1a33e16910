import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SERVICES } from '@pavane/contracts';
import { parse } from 'yaml';
import { CHART, VALUES_KEYS } from './helm.js';

const set = (...values: string[]): string[] => values.flatMap((value) => ['--set', value]);
const { publicKeys } = parse(readFileSync(VALUES_KEYS, 'utf8')).nats as { publicKeys: Record<string, string[]> };
/** Keys for every user; a service that came later has that of the operator, since nobody signs in. */
const keys = [
  '-f',
  VALUES_KEYS,
  ...set(
    ...SERVICES.filter((service) => !publicKeys[service]).map(
      (service) => `nats.publicKeys.${service}={${publicKeys['operator']!.join()}}`,
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
