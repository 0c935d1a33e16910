import type { Service } from '@pavane/contracts';
import type { Scene } from '../../scene.js';

/** A service has noticed so soon what its work needs and it has not. */
const NOTICED_WITHIN_MS = 10_000;

/** What a service says of being ready. */
export interface Readiness {
  ready: boolean;
  /** Its answer as it came; empty when there was none. */
  said: string;
}

export async function readinessAt(url: string): Promise<Readiness> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(3000) }).catch(() => undefined);
  return { ready: answer?.ok ?? false, said: (await answer?.text().catch(() => '')) ?? '' };
}

/** A service that cannot do its work and says it is ready gets more of it: a violation. */
export async function expectUnready(scene: Scene, service: Service, because: string): Promise<void> {
  const { readyUrl } = scene.platform.services.get(service)!.options;
  await scene
    .until('it is unready', async () => !(await readinessAt(readyUrl)).ready, NOTICED_WITHIN_MS)
    .catch(() => scene.violations.push(`${service} says it is ready although ${because}`));
}
