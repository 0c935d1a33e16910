/**
 * Lets a service be stopped while it is still being loaded: `node --import @pavane/service/register dist/main.js`. First of
 * all imports, since a signal that comes before it is lost on the first process of a container.
 */
import { leaveOnSignals } from './boot-signals.js';

leaveOnSignals();
