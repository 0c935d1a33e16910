import { sizeOf } from './room.js';

export interface Difference {
  field: string;
  from: unknown;
  to: unknown;
}

/** The fields of `wanted` that `actual` has otherwise. What `wanted` does not name is not compared. */
export function differences(wanted: object, actual: object): Difference[] {
  return Object.entries(wanted).flatMap(([field, to]) => {
    const from = (actual as Record<string, unknown>)[field];
    return to === undefined || matches(field, to, from) ? [] : [{ field, from, to }];
  });
}

function matches(field: string, wanted: unknown, actual: unknown): boolean {
  if (Array.isArray(wanted)) {
    const has = Array.isArray(actual) ? (actual as unknown[]) : [];
    if (wanted.length !== has.length) return false;
    const ordered = field === 'subjects' ? [wanted.toSorted(), has.toSorted()] : [wanted, has];
    return ordered[0]!.every((item, index) => matches('', item, ordered[1]![index]));
  }
  if (typeof wanted === 'object' && wanted !== null) {
    // The server adds to nested objects (metadata, sources), so these are compared by what is wanted as well.
    return typeof actual === 'object' && actual !== null && differences(wanted, actual).length === 0;
  }
  // The server leaves out what is zero, false or empty.
  return wanted === actual || (!wanted && !actual);
}

const SECOND = 1e9;
const DURATIONS = new Set([
  'max_age',
  'duplicate_window',
  'ack_wait',
  'idle_heartbeat',
  'inactive_threshold',
  'max_expires',
]);

export function show({ field, from, to }: Difference): string {
  return `${field} ${value(field, from)} → ${value(field, to)}`;
}

function value(field: string, raw: unknown): string {
  if (raw === undefined) return 'unset';
  if (DURATIONS.has(field) && typeof raw === 'number' && raw > 0) return `${raw / SECOND} s`;
  if (field === 'max_bytes') return typeof raw === 'number' && raw > 0 ? sizeOf(raw) : 'unlimited';
  return typeof raw === 'string' ? raw : JSON.stringify(raw);
}
