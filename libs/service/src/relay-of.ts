import type { ModuleRef } from '@nestjs/core';
import { Relay } from '@pavane/outbox';

/** The relay of the app a module belongs to; a service that only listens has no outbox. */
export function relayOf(module: ModuleRef): Relay | undefined {
  try {
    // Not app.get, which would log the absence as an error.
    return module.get(Relay, { strict: false });
  } catch {
    return undefined;
  }
}
