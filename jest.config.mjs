import { existsSync } from 'node:fs';
import { join } from 'node:path';
import preset from './jest.preset.mjs';

const project = (displayName, testRegex, roots) => ({
  ...preset,
  displayName,
  rootDir: import.meta.dirname,
  roots: roots.map((root) => `<rootDir>/${root}`),
  testRegex,
});
// `tools/drop.mjs` takes some of the folders away.
const existing = (...folders) => folders.filter((folder) => existsSync(join(import.meta.dirname, folder)));
const sources = existing('libs', 'apps', 'tools/src', 'prove/src', 'bench/src', 'e2e/src');
const platform = existing('e2e/src');

/** Every test of the repository in one run: rules without I/O, parts against real servers, the saga end to end, and under load. */
export default {
  // Jest does not take it from a project.
  testTimeout: preset.testTimeout,
  projects: [
    project('rules', '/src/(?!.*\\.(int|e2e|load)\\.spec\\.ts$).*\\.spec\\.ts$', sources),
    project('parts', '/src/.*\\.int\\.spec\\.ts$', sources),
    project('saga', '\\.e2e\\.spec\\.ts$', platform),
    project('load', '\\.load\\.spec\\.ts$', platform),
  ].filter(({ roots }) => roots.length > 0),
};
