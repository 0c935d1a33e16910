/** Shared jest 30 preset: native ESM + swc (decorator metadata), workspace libs resolved to source. */
export default {
  testEnvironment: 'node',
  testEnvironmentOptions: { customExportConditions: ['workspace-source', 'node', 'node-addons'] },
  roots: ['<rootDir>/src'],
  testTimeout: 30_000,
  testRegex: '\\.spec\\.ts$',
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        swcrc: false,
        jsc: {
          target: 'es2023',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
          keepClassNames: true,
        },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
};
