import { DEFAULT_STORE, durables, topology } from '@pavane/contracts';

const mebibytes = (bytes: number): string => `${Math.round(bytes / 1024 ** 2)} MiB`;
const days = (ns: number | undefined): string => (ns ? `${ns / 86_400e9} d` : 'for ever');

/** What NATS holds, as a page for people. */
export function topologyPage(): string {
  const { streams, buckets } = topology();
  return `# What NATS holds

Generated from \`libs/contracts/src/topology.ts\` by \`npm run generate\`; applied by \`npm run topology -- apply\`.

| stream | retention | kept | at most | full, it | subjects | what it holds |
|---|---|---|---|---|---|---|
${streams
  .map(({ config: c }) => {
    const stream = c as {
      name: string;
      retention: string;
      max_age?: number;
      max_bytes: number;
      discard: 'old' | 'new';
      subjects?: string[];
      description: string;
    };
    const full = stream.discard === 'old' ? 'drops its oldest' : 'refuses';
    return `| \`${stream.name}\` | ${stream.retention} | ${days(stream.max_age)} | ${mebibytes(stream.max_bytes)} | ${full} | ${(stream.subjects ?? ['sourced from SAGA']).map((s) => `\`${s}\``).join(' ')} | ${stream.description} |`;
  })
  .join('\n')}

| durable | stream | subject | said by |
|---|---|---|---|
${durables.map((d) => `| \`${d.durable}\` | \`${d.stream}\` | \`${d.subject}\` | ${d.source} |`).join('\n')}

| bucket | history | kept | at most | what it holds |
|---|---|---|---|---|
${buckets.map((b) => `| \`${b.name}\` | ${b.history} | ${days('ttl' in b ? b.ttl : undefined)} | ${mebibytes(b.max_bytes)} | ${b.description} |`).join('\n')}

What each may hold is its part of a store of ${mebibytes(DEFAULT_STORE)} on each server; \`npm run topology -- apply --store SIZE\` shares out another.
`;
}
