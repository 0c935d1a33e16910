import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The services whose rules stand in a file of their name, as `apps/order/src/order.ts`. */
const services = readdirSync('apps').filter((app) => existsSync(`apps/${app}/src/${app}.ts`));

/**
 * What is mutated, and the tests that have to notice. `atLeast` is the share of mutants, in percent, that must be; 0 asks for nothing.
 *
 * With a server in every test, strings are left out: they are SQL, where an empty one fails at once, and texts of logs.
 */
export const suites = [
  {
    name: 'rules',
    mutate: services.map((service) => `apps/${service}/src/${service}.ts`),
    roots: ['<rootDir>/apps'],
    tests: `/(${services.join('|')})\\.spec\\.ts$`,
    leaveOut: [],
    atLeast: 95,
  },
  {
    name: 'participant',
    mutate: ['libs/outbox/src/{participant,inbox,database}.ts'],
    roots: ['<rootDir>/libs/outbox/src'],
    tests: '/(database|(participant|away)\\.int)\\.spec\\.ts$',
    leaveOut: ['StringLiteral'],
    atLeast: 0,
  },
  {
    name: 'relay',
    mutate: ['libs/outbox/src/{relay,outbox}.ts'],
    roots: ['<rootDir>/libs/outbox/src'],
    tests: '/(relay(\\.away)?|replay|participant)\\.int\\.spec\\.ts$',
    leaveOut: ['StringLiteral'],
    atLeast: 0,
  },
];

/** Options of Stryker for a suite. */
export const optionsOf = ({ name, mutate, roots, tests, leaveOut }) => ({
  mutate,
  mutator: { excludedMutations: leaveOut },
  testRunner: 'jest',
  testRunnerNodeArgs: ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'],
  jest: {
    configFile: 'jest.preset.mjs',
    config: {
      roots,
      testRegex: tests,
      testTimeout: 15_000,
      testSequencer: '<rootDir>/prove/mutants/sequencer.cjs',
      testEnvironment: fileURLToPath(new URL('environment.cjs', import.meta.url)),
      moduleNameMapper: {
        '^(\\.{1,2}/.*)\\.js$': '$1',
        '^@pavane/jetstream$': '<rootDir>/prove/mutants/transport.ts',
        ...(name === 'rules' && { '^@pavane/testing$': '<rootDir>/libs/testing/src/given.ts' }),
      },
    },
  },
  coverageAnalysis: 'perTest',
  // Packages are found through node_modules, in the repository itself; the copy that is mutated needs no builds.
  ignorePatterns: ['dist', '.nx', '.platform'],
  tempDirName: `.stryker-tmp-${name}`,
  concurrency: 2,
  // A test that is only slow, as one with a server may be beside another, must not pass for one that noticed.
  timeoutFactor: name === 'rules' ? 1.5 : 3,
  timeoutMS: 3000,
  warnings: { slow: false },
  reporters: [process.stdout.isTTY ? 'progress' : 'progress-append-only'],
});
