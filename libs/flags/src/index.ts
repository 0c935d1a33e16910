/** Public API of @pavane/flags. */
export { type FlagReport, type FlagRevision, getFlag, historyOf, listFlags, setFlag, UnknownFlag } from './admin.js';
export {
  type FlagDefinition,
  type FlagDefinitions,
  type FlagKey,
  type FlagTable,
  type FlagValue,
  InvalidFlagValue,
} from './definitions.js';
export { Flags } from './flags.js';
export { FlagsModule, type FlagsModuleAsyncOptions, type FlagsModuleOptions } from './flags.module.js';
export { NatsFlagProvider, type NatsFlagProviderOptions } from './provider.js';
