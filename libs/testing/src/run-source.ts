// Node resolves './x.js' as written; in TypeScript sources that file is './x.ts'.
const RESOLVE = `import { registerHooks } from 'node:module';
registerHooks({
  resolve: (specifier, context, next) =>
    next(/^\\.\\.?\\//.test(specifier) && context.parentURL?.endsWith('.ts') ? specifier.replace(/\\.js$/, '.ts') : specifier, context),
});`;

/**
 * Arguments for `node` that let a test run a TypeScript entry point of this workspace as a process of its own, without
 * a build: `spawn(process.execPath, [...RUN_FROM_SOURCE, 'src/main.ts'])`. Decorators are not supported.
 */
export const RUN_FROM_SOURCE: readonly string[] = [
  '--experimental-transform-types',
  '--disable-warning=ExperimentalWarning',
  '--conditions=workspace-source',
  '--import',
  `data:text/javascript,${encodeURIComponent(RESOLVE)}`,
];
