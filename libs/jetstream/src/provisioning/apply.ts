import type { NatsConnection } from '@nats-io/transport-node';
import type { Change } from './change.js';
import { explain, ProvisioningError } from './errors.js';
import { plan } from './plan.js';
import type { Topology } from './topology.js';

export interface ApplyOptions {
  /** Also do what loses messages or cannot be undone, and remove leftover consumers. */
  force?: boolean;
  /** Told each change once it is made, and each leftover. */
  onChange?: (change: Change) => void;
}

/**
 * Makes NATS hold what the topology says, and returns what was done. Applied twice, the second run does nothing.
 * Throws `ProvisioningError` before the first change when one of them is refused. Leftovers are reported and, unless
 * forced, left alone.
 */
export async function apply(nc: NatsConnection, topology: Topology, options: ApplyOptions = {}): Promise<Change[]> {
  const changes = await plan(nc, topology);
  const refused = changes.filter((change) => change.refused && change.action !== 'leftover');
  if (refused.length > 0 && !options.force) {
    throw new ProvisioningError(
      `Nothing was applied, since it would lose messages or could not be undone:\n${refused.map((change) => `  ${change}`).join('\n')}\nLet the consumers catch up first, or apply with --force.`,
    );
  }
  for (const change of changes) {
    if (change.make && (options.force || change.action !== 'leftover')) {
      await change.make().catch((error: unknown) => {
        throw explain(`${change.action} ${change.target}`, error);
      });
    }
    options.onChange?.(change);
  }
  return changes;
}
