import type { Audit } from '../verify/audit.js';

/** An audit, as a person likes to read it. */
export function reportOf({ ok, outcomes, invariants }: Audit): string {
  const counts = Object.entries(outcomes).map(([outcome, n]) => `${n} ${outcome}`);
  return [
    `  Orders: ${counts.join(' · ')}`,
    ...invariants.map(({ name, holds, detail }) => `  ${holds ? '✔' : '✘'} ${name}: ${detail}`),
    ok ? '  Everything adds up.' : '  The platform does not keep its promises; see the lines with ✘.',
  ].join('\n');
}
