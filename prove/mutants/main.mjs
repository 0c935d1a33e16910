// Changes the rules and the outbox in every small way, one at a time: some test has to notice each change.
import { mkdirSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { Stryker } from '@stryker-mutator/core';
import { optionsOf, suites } from './suites.mjs';

const args = process.argv.slice(2);
const names = suites.map(({ name }) => name);
if (args.includes('--help') || args.some((arg) => !names.includes(arg))) {
  console.log(`npm run mutate -- [${names.join(' | ')}…]

Mutation testing, by Stryker: of the rules of all services, and, when asked for, of what they stand on, participant
and relay, whose tests each need a server: these take far longer. Writes prove/results/mutation.md for what was run.`);
  process.exit(args.includes('--help') ? 0 : 2);
}

const chosen = suites.filter(({ name }) => (args.length === 0 ? name === 'rules' : args.includes(name)));
const results = [];
for (const suite of chosen) {
  const mutants = await new Stryker(optionsOf(suite)).runMutationTest();
  results.push({ ...suite, mutants: mutants.filter(({ status }) => status !== 'Ignored') });
  // Now, and not at the end: a run that is cut off keeps what it has.
  mkdirSync('prove/results', { recursive: true });
  writeFileSync('prove/results/mutation.md', pageOf(results));
}
console.log(`\n${pageOf(results)}`);
const weak = results.filter(({ mutants, atLeast }) => scoreOf(mutants) < atLeast);
for (const { name, mutants, atLeast } of weak)
  console.error(`${name}: ${scoreOf(mutants).toFixed(1)} % of the mutants were noticed; it has to be ${atLeast} %`);
process.exit(weak.length === 0 ? 0 : 1);

function scoreOf(mutants) {
  const survived = count(mutants, 'Survived') + count(mutants, 'NoCoverage');
  return mutants.length === 0 ? 0 : (1 - survived / mutants.length) * 100;
}

function count(mutants, ...statuses) {
  return mutants.filter(({ status }) => statuses.includes(status)).length;
}

function pageOf(ran) {
  const rows = ran.flatMap(({ name, mutants }) => [
    ...[...Map.groupBy(mutants, fileOf)].map(([file, some]) => rowOf(`\`${file}\``, some)),
    rowOf(`**${name}**`, mutants),
  ]);
  const left = ran
    .flatMap(({ mutants }) => mutants.filter(({ status }) => status === 'Survived' || status === 'NoCoverage'))
    .map((m) => `| \`${fileOf(m)}:${m.location.start.line}\` | ${m.mutatorName} | ${code(m.replacement)} |`);
  return `# Mutation testing

Written by \`npm run mutate\`. Each mutant is one small change to the code; \`killed\` says that a test failed because of it,
\`timeout\` that the tests hung, \`error\` that they could not even begin. All three are noticed; the others are not.

| file | mutants | killed | timeout | error | survived | not covered | noticed |
|---|---:|---:|---:|---:|---:|---:|---:|
${rows.join('\n')}

${left.length} were not noticed:

| where | change | to |
|---|---|---|
${left.join('\n')}
`;
}

function rowOf(title, mutants) {
  const counts = [['Killed'], ['Timeout'], ['RuntimeError', 'CompileError'], ['Survived'], ['NoCoverage']];
  const cells = counts.map((statuses) => count(mutants, ...statuses));
  return `| ${[title, mutants.length, ...cells, `${scoreOf(mutants).toFixed(1)} %`].join(' | ')} |`;
}

function fileOf({ fileName }) {
  return relative(process.cwd(), fileName);
}

function code(text = '') {
  const line = text.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|');
  return `\`${line.length > 100 ? `${line.slice(0, 100)}…` : line}\``;
}
