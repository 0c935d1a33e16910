export { eventually, type EventuallyOptions } from './eventually.js';
export { RUN_FROM_SOURCE } from './run-source.js';
export * from './servers.js';
