const ISO_WITH_ZONE = /^(\d{4}-\d\d-\d\d)T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/;

/**
 * The moment that a time in ISO 8601 names. Undefined without a zone, which would be that of whoever types it, for a bare
 * number, which is read as a year, and for a day that its month does not have.
 */
export function timeOf(text: string): Date | undefined {
  const [, day] = ISO_WITH_ZONE.exec(text) ?? [];
  const time = new Date(text);
  if (!day || Number.isNaN(time.getTime())) return undefined;
  return new Date(`${day}T00:00:00Z`).toISOString().startsWith(day) ? time : undefined;
}
