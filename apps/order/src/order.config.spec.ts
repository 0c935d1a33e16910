import { readFileSync } from 'node:fs';
import { CLOCK_TOLERANCE_MS, parseDuration } from '@pavane/service';
import { parse } from 'yaml';
import { OrderConfig } from './order.config.js';

const deadlineIn = (values: string): unknown => {
  const file = new URL(`../../../k8s/${values}`, import.meta.url);
  const { services } = parse(readFileSync(file, 'utf8')) as {
    services: { order: { env: { ORDER_DEADLINE: string } } };
  };
  return parseDuration(services.order.env.ORDER_DEADLINE);
};

it.each([
  ['by default', new OrderConfig().ORDER_DEADLINE],
  ['in the chart', deadlineIn('values.yaml')],
  ['in production', deadlineIn('values-prod.yaml')],
])('an order has a deadline that clocks which are allowed hardly shorten, %s', (_, deadline) => {
  expect(deadline).toBeGreaterThanOrEqual(60 * CLOCK_TOLERANCE_MS);
});
