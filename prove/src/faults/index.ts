import { broker } from './broker.js';
import { cluster } from './cluster.js';
import { contention } from './contention.js';
import { disk } from './disk.js';
import { database } from './database.js';
import type { Fault } from './fault.js';
import { flags } from './flags.js';
import { clock } from './ill/clock.js';
import { illDatabase } from './ill/database.js';
import { unknownErrors } from './ill/errors.js';
import { wrongAnswers } from './ill/provider.js';
import { store } from './ill/store.js';
import { waitingRoom } from './ill/waiting-room.js';
import { followers } from './followers.js';
import { messages } from './messages.js';
import { network } from './network.js';
import { orderOfEvents } from './order-of-events.js';
import { outside } from './outside.js';
import { overload } from './overload.js';
import { power } from './power.js';
import { processes } from './processes.js';
import { replay } from './replay.js';
import { seams } from './seams.js';

/** Every way to break the platform that is played. */
export const faults: readonly Fault[] = [
  ...processes,
  ...broker,
  ...outside,
  ...flags,
  ...contention,
  ...overload,
  ...cluster,
  ...power,
  ...disk,
  ...replay,
  ...database,
  ...illDatabase,
  ...unknownErrors,
  ...wrongAnswers,
  ...clock,
  ...store,
  ...waitingRoom,
  ...followers,
  ...network,
  ...messages,
  ...orderOfEvents,
  ...seams,
];
