import { UsageError } from '@pavane/tools';
import { type Cell, crashMatrix } from './crash/matrix.js';
import type { Fault } from './faults/fault.js';
import { faults } from './faults/index.js';

/** What one run of `npm run prove` plays, in this order. */
export interface Plan {
  faults: readonly Fault[];
  /** The cells of the crash matrix, when it is played: filled up while it is. */
  cells(): readonly Cell[];
}

export interface PlanOptions {
  mode: 'quick' | 'normal' | 'full';
  /** A fault by its name or a part of it, or a seam. */
  only: string | undefined;
  onCell(cell: Cell, done: number, all: number): void;
}

const MATRIX = {
  quick: { rounds: 1, perSecond: 15, sample: 'point' },
  normal: { rounds: 1, perSecond: 15, sample: 'service and point' },
  full: { rounds: 3, perSecond: 20 },
} as const;

/** Chooses what is played. Throws a UsageError when nothing answers to `only`. */
export function planOf({ mode, only, onCell }: PlanOptions): Plan {
  const named = faults.filter(({ name }) => !only || name.includes(only));
  const matrixNamed = !only || 'crash-matrix'.includes(only);
  const isSeam = only !== undefined && named.length === 0 && !matrixNamed;
  const matrix = crashMatrix({ ...MATRIX[mode], ...(only && { sample: undefined }), ...(isSeam && { only }), onCell });
  const chosen = [
    ...named.filter(
      ({ when }) => only || mode === 'full' || when === 'quick' || (mode === 'normal' && when !== 'full'),
    ),
    ...(matrixNamed || isSeam ? [matrix] : []),
  ];
  if (isSeam && !/^[a-z][\w.: -]*$/.test(only)) throw new UsageError(`nothing is called "${only}"`);
  return { faults: chosen, cells: () => matrix.cells };
}
