import { readFileSync } from 'node:fs';
import { type LocalPlatform, SERVICES } from '@pavane/tools';

const LOOK_EVERY_MS = 500;

/** Looks at the memory of every service now and again; what it returns ends that and tells the most, in MB. */
export function watchMemory({ services }: LocalPlatform): () => number {
  let most = 0;
  const look = () => {
    for (const service of SERVICES) most = Math.max(most, rssOf(services.get(service)!.pid));
  };
  const timer = setInterval(look, LOOK_EVERY_MS);
  return () => {
    clearInterval(timer);
    return Math.round(most);
  };
}

/** Resident memory of a process in MB; 0 where that cannot be read. */
export function rssOf(pid: number | undefined): number {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
  } catch {
    return 0;
  }
}
