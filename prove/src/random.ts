import { createHash } from 'node:crypto';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

/** Chance that a seed repeats. */
export interface Random {
  /** A whole number from `from` to `to`, both included. */
  int(from: number, to: number): number;
  pick<T>(some: readonly T[]): T;
  uuid(): string;
}

/** The same seed and name give the same chances, whatever else draws. */
export function randomOf(seed: number, name: string): Random {
  const mixed = createHash('sha256').update(`${seed}\n${name}`).digest().readInt32BE();
  const generator = xoroshiro128plus(mixed);
  const int = (from: number, to: number) => uniformInt(generator, from, to);
  const hex = (length: number) => Array.from({ length }, () => int(0, 15).toString(16)).join('');
  return {
    int,
    pick: (some) => some[int(0, some.length - 1)]!,
    uuid: () => `${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(12)}`,
  };
}
