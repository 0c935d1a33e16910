import { setTimeout as delay } from 'node:timers/promises';
import { SERVICES } from '@pavane/tools';
import type { Fault } from './faults/fault.js';
import { rssOf } from './memory.js';

/** A process that grows faster than this, in MB a minute, leaks. */
const MOST_GROWTH = 1;
const SAMPLE_MS = 10_000;
/** Code is compiled, pools fill, heaps find their size: what happens first tells nothing of a leak. */
const WARM_UP = 1 / 3;

/** Customers come for a long time and nothing breaks: no violation, and no process that grows without end. */
export const soak = (durationMs: number, perSecond: number): Fault => ({
  name: 'soak',
  about: `${Math.round(durationMs / 60_000)} minutes of ${perSecond} customers a second`,
  stage: () => ({ perSecond }),
  async run(scene) {
    const samples = new Map<string, [minutes: number, mb: number][]>(SERVICES.map((service) => [service, []]));
    const started = performance.now();
    let told = 0;
    while (performance.now() - started < durationMs) {
      await delay(SAMPLE_MS);
      const minutes = (performance.now() - started) / 60_000;
      for (const service of SERVICES)
        samples.get(service)!.push([minutes, rssOf(scene.platform.services.get(service)!.pid)]);
      if (minutes - told < 1) continue;
      told = minutes;
      const memory = SERVICES.map((service) => `${service} ${Math.round(samples.get(service)!.at(-1)![1])}`);
      console.error(
        `    ${Math.floor(minutes)} of ${Math.round(durationMs / 60_000)} min, ${scene.clients.accepted.length} orders, MB: ${memory.join(', ')}`,
      );
    }
    for (const [service, some] of samples) {
      const growth = slopeOf(some.slice(Math.floor(some.length * WARM_UP)));
      scene.notes.push(
        `${service} grew by ${growth.toFixed(2)} MB a minute after the first third, to ${Math.round(some.at(-1)![1])} MB`,
      );
      if (growth > MOST_GROWTH)
        scene.violations.push(`${service} grows by ${growth.toFixed(2)} MB a minute; up to ${MOST_GROWTH} is allowed`);
    }
  },
});

/** The slope of the line that fits best, in y per x. */
function slopeOf(points: readonly [x: number, y: number][]): number {
  const mean = (of: 0 | 1) => points.reduce((sum, point) => sum + point[of], 0) / points.length;
  const [x0, y0] = [mean(0), mean(1)];
  const over = points.reduce((sum, [x, y]) => sum + (x - x0) * (y - y0), 0);
  const under = points.reduce((sum, [x]) => sum + (x - x0) ** 2, 0);
  return under === 0 ? 0 : over / under;
}
