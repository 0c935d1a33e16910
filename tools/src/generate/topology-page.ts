import { durables, topology } from '@pavane/contracts';

const days = (ns: number | undefined): string => (ns ? `${ns / 86_400e9} d` : 'for ever');

/** What NATS holds, as a page for people. */
export function topologyPage(): string {
  const { streams, buckets } = topology();
  return `# What NATS holds

Generated from \`libs/contracts/src/topology.ts\` by \`npm run generate\`; applied by \`npm run topology -- apply\`.

| stream | retention | kept | subjects | what it holds |
|---|---|---|---|---|
${streams
  .map(({ config: c }) => {
    const stream = c as { name: string; retention: string; max_age?: number; subjects?: string[]; description: string };
    return `| \`${stream.name}\` | ${stream.retention} | ${days(stream.max_age)} | ${(stream.subjects ?? ['sourced from SAGA']).map((s) => `\`${s}\``).join(' ')} | ${stream.description} |`;
  })
  .join('\n')}

| durable | stream | subject | said by |
|---|---|---|---|
${durables.map((d) => `| \`${d.durable}\` | \`${d.stream}\` | \`${d.subject}\` | ${d.source} |`).join('\n')}

| bucket | history | kept | what it holds |
|---|---|---|---|
${buckets.map((b) => `| \`${b.name}\` | ${b.history} | ${days(b.ttl)} | ${b.description} |`).join('\n')}
`;
}
