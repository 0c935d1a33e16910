export { eventually, type EventuallyOptions } from './eventually.js';
export { given, Consequence, Scenario, type PureRules } from './given.js';
export { clockThatJumps } from './clock.js';
export { RUN_FROM_SOURCE } from './run-source.js';
export * from './servers.js';
