import { UsageError } from './command.js';

const UNITS: Record<string, number> = {
  '': 1,
  ...{ k: 1000, M: 1000 ** 2, G: 1000 ** 3, T: 1000 ** 4 },
  ...{ Ki: 1024, Mi: 1024 ** 2, Gi: 1024 ** 3, Ti: 1024 ** 4 },
};

/** Bytes of a size as Kubernetes writes it: `7Gi`, `1.5G`, `1073741824`. */
export function bytesOf(size: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(k|Ki|[MGT]i?|)$/.exec(size) ?? [];
  const factor = UNITS[unit ?? '?'];
  if (factor === undefined) throw new UsageError(`"${size}" is no size; say it as 512Mi, 7Gi or 1073741824 (bytes)`);
  return Math.floor(Number(number) * factor);
}
