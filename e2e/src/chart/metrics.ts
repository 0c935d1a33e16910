import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { CHART } from './helm.js';

/** Of `-jsz=all`: https://github.com/nats-io/prometheus-nats-exporter/blob/v0.20.1/collector/jsz.go */
export const OF_THE_EXPORTER = [
  ...['total_messages', 'total_bytes', 'first_seq', 'last_seq', 'consumer_count', 'source_lag'].map(
    (name) => `jetstream_stream_${name}`,
  ),
  ...['total_message_bytes', 'max_storage'].map((name) => `jetstream_server_${name}`),
  ...['num_pending', 'num_ack_pending', 'num_redelivered', 'num_waiting'].map((name) => `jetstream_consumer_${name}`),
];
/** Made by Prometheus itself for everything it scrapes. */
export const OF_PROMETHEUS = ['up'];

/** Names of metrics in an expression: what is left when labels, ranges, functions and words of the language are gone. */
export const metricsIn = (expr: string): string[] =>
  expr
    .replaceAll(/\{[^}]*\}|\[[^\]]*\]|"[^"]*"/g, ' ')
    .replaceAll(/\b(by|on|ignoring|without)\s*\([^)]*\)/g, ' ')
    .replaceAll(/offset\s+\w+/g, ' ')
    .match(/[a-z_][a-z0-9_]+\b(?!\s*\()/g)
    ?.filter((word) => !['and', 'or', 'unless', 'sum', 'max', 'min', 'by'].includes(word)) ?? [];

interface Rule {
  alert: string;
  expr: string;
  labels: { severity: string };
  annotations: { summary: string; description: string };
}
export const RULES_FILE = join(CHART, 'files/rules.yaml');
export const rules = (parse(readFileSync(RULES_FILE, 'utf8')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
);
const panels = (
  JSON.parse(readFileSync(join(CHART, 'files/dashboard.json'), 'utf8')) as {
    panels: { title: string; targets?: { expr: string }[] }[];
  }
).panels;

export const panelExpressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
