import type { ConsumerInfo, JetStreamManager, StreamInfo } from '@nats-io/jetstream';
import { subjectMatches } from '../subject.js';
import type { Difference } from './compare.js';
import { sizeOf } from './room.js';

/** Why changing a stream so would lose messages or could not be taken back; undefined when it is harmless. */
export async function streamDanger(
  jsm: JetStreamManager,
  { config, state }: StreamInfo,
  changes: Difference[],
): Promise<string | undefined> {
  for (const { field, to } of changes) {
    if (field === 'retention') return 'other retention decides anew which stored messages are kept';
    if (field === 'deny_delete' || field === 'deny_purge') return `${field} cannot be taken back`;
    if (field === 'max_msgs' && lowers(to, state.messages))
      return `it would drop ${state.messages - Number(to)} messages`;
    if (field === 'max_bytes' && lowers(to, state.bytes))
      return `${sizeOf(state.bytes)} are stored, more than it would allow`;
    if (field === 'max_age' && Number(to) > 0 && state.messages > 0) {
      const oldest = Date.parse(state.first_ts);
      if (oldest < Date.now() - Number(to) / 1e6) return `it would drop messages as old as ${state.first_ts}`;
    }
    if (field === 'subjects') {
      const lost = await waitingOutside(jsm, config.name, config.subjects, to as string[]);
      if (lost) return lost;
    }
  }
  return undefined;
}

/** Why changing a durable so would lose what it has not handled yet; undefined when it is harmless. */
export function consumerDanger(info: ConsumerInfo, changes: Difference[]): string | undefined {
  const waiting = info.num_pending + info.num_ack_pending;
  if (changes.some(({ field }) => needsRecreation(field))) {
    return `it has to be made anew, and its ${waiting} unhandled messages are lost to it`;
  }
  const filter = changes.find(({ field }) => field === 'filter_subject');
  if (filter && !covers(filter.to as string, (filter.from as string | undefined) ?? '>') && waiting > 0) {
    return `the filter gets narrower while ${waiting} messages are unhandled, and those outside vanish`;
  }
  return undefined;
}

export function needsRecreation(field: string): boolean {
  return field === 'ack_policy' || field === 'deliver_policy' || field === 'replay_policy';
}

async function waitingOutside(
  jsm: JetStreamManager,
  stream: string,
  from: string[],
  to: string[],
): Promise<string | undefined> {
  for (const subject of from) {
    if (to.some((wider) => covers(wider, subject))) continue;
    const { state } = await jsm.streams.info(stream, { subjects_filter: subject });
    const stranded = Object.keys(state.subjects ?? {}).filter((used) => !to.some((kept) => subjectMatches(kept, used)));
    if (stranded.length > 0)
      return `'${subject}' is removed while messages of it are stored (${stranded.length} subjects)`;
  }
  return undefined;
}

/** Whether everything `narrow` matches is matched by `wide`, too. */
export function covers(wide: string, narrow: string): boolean {
  const outer = wide.split('.');
  const inner = narrow.split('.');
  for (const [index, token] of outer.entries()) {
    if (token === '>') return inner.length > index;
    const other = inner[index];
    if (other === undefined || other === '>' || (token !== '*' && token !== other)) return false;
  }
  return outer.length === inner.length;
}

function lowers(limit: unknown, used: number): boolean {
  return Number(limit) > 0 && Number(limit) < used;
}
