/** Public API of @pavane/service. */
export { Address, Addresses, type AddressOptions } from './addresses.js';
export { CLOCK_TOLERANCE_MS } from './clocks.js';
export { ServiceConfig } from './config.js';
export {
  Duration,
  type DurationOptions,
  Integer,
  type IntegerOptions,
  parseDuration,
  Switch,
  Variable,
  type VariableOptions,
} from './config-variables.js';
export { ShutdownCoordinator } from './coordinator.js';
export { ServiceHttpAdapter } from './http-server.js';
export { configureHttp } from './http.js';
export { Intake } from './intake.js';
export { Loop, type LoopOptions } from './loop.js';
export { ConfigError, type ConfigProblem, loadConfig } from './load-config.js';
export {
  defineProblems,
  type FieldProblem,
  problem,
  ProblemException,
  type ProblemOptions,
  PROBLEMS,
  type ProblemType,
  typeOf,
} from './problems.js';
export { Readiness, type ReadinessReport } from './readiness.js';
export { runService } from './run-service.js';
export { ServiceModule, type ServiceOptions } from './service.module.js';
