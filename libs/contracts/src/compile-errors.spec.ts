import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CONTRACTS = fileURLToPath(new URL('..', import.meta.url));
const MODULES = join(CONTRACTS, '../../node_modules');
const FLAGS =
  '--noEmit --strict --noUncheckedIndexedAccess --target es2024 --module nodenext --types node --skipLibCheck --experimentalDecorators --emitDecoratorMetadata';

let copies: string[] = [];
afterAll(() => Promise.all(copies.map((dir) => rm(dir, { recursive: true }))));

/** A copy of this library beside the workspace, in which a test may break something. */
async function copy(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'pavane-contracts-'));
  copies.push(dir);
  await Promise.all([
    cp(join(CONTRACTS, 'src'), join(dir, 'src'), { recursive: true, filter: (file) => !file.endsWith('.spec.ts') }),
    cp(join(CONTRACTS, 'compile-errors'), join(dir, 'compile-errors'), { recursive: true }),
    writeFile(join(dir, 'package.json'), '{ "type": "module" }'),
    symlink(MODULES, join(dir, 'node_modules')),
  ]);
  return dir;
}

/** What the workspace's compiler says, by file; whitespace is one space. */
async function compile(dir: string, files: readonly string[]): Promise<(file: string) => string> {
  const said = await new Promise<string>((resolve) => {
    const tsc = join(MODULES, '.bin/tsc');
    execFile(tsc, [...FLAGS.split(' '), '--pretty', 'false', ...files], { cwd: dir }, (_, out, err) =>
      resolve(out + err),
    );
  });
  // A line that does not begin with a file goes on about the one before.
  const errors = said.split(/\n(?=\S)/).map((error) => error.replaceAll(/\s+/g, ' '));
  return (file) => errors.filter((error) => error.startsWith(file)).join('\n');
}

describe('the compiler', () => {
  let saysOf: (file: string) => string;
  let files: string[];
  beforeAll(async () => {
    files = (await readdir(join(CONTRACTS, 'compile-errors'))).map((name) => `compile-errors/${name}`);
    saysOf = await compile(await copy(), files);
  }, 60_000);

  it('accepts a service that decides on every row and says what the table licenses', () => {
    expect(saysOf('compile-errors/right.ts')).toBe('');
    expect(saysOf('src/')).toBe('');
    expect(saysOf('error')).toBe('');
  });

  it.each([
    ['an event that is heard and not decided on', 'undecided-event', /Property '"orders\.cancelled"' is missing/],
    [
      'a request that no command speaks for',
      'undecided-request',
      /'"?nothing decides on POST \/orders\/:id\/cancel"?'/,
    ],
    [
      'an event that this row does not license',
      'unlicensed-event',
      /'"payments\.completed"' is not assignable to type '.*payments\.refunded/,
    ],
    [
      'an event that the row of a command does not license',
      'unlicensed-command',
      /'"payments\.refunded"' is not assignable to type '.*payments\.completed/,
    ],
    ['a decision on an event that is not heard', 'unheard-event', /''inventory\.reserved'' does not exist in type/],
    [
      'a durable for an event that is not heard',
      'wrong-door',
      /'"inventory\.reserved"' is not assignable to parameter of type 'Input<"notification">'/,
    ],
    [
      'an event with another payload than its class has',
      'wrong-payload',
      /'"no idea"' is not assignable to type '.*declined/,
    ],
    ['an event that is heard and not handled', 'unhandled-event', /Property 'ordersCancelled' is missing/],
    [
      'a handler that takes the payload of another event',
      'wrong-row',
      /'ordersCancelled'.*'OrdersCancelled' is (not assignable to type|missing the following properties from type) 'OrdersCreated'/,
    ],
    [
      'a participant that does not decide on what it is handed',
      'foreign-participant',
      /'"orders\.created"' is not assignable to type '"orders\.(confirmed|cancelled)"'/,
    ],
    [
      'rules of another service than the participant is of',
      'foreign-rules',
      /'"orders\.created"' is not assignable to type '"orders\.(confirmed|cancelled)"'/,
    ],
    ['a fact that moves no state', 'unmoved-state', /payments\.failed.* does not satisfy the expected type 'never'/],
  ])('refuses %s, and names it', (_, name, error) => {
    expect(saysOf(`compile-errors/${name}.ts`)).toMatch(error);
  });

  it('was asked about every fixture', () => {
    expect(files.filter((file) => saysOf(file) === '')).toEqual(['compile-errors/right.ts']);
    expect(files).toHaveLength(13);
  });
});

describe('the table', () => {
  it.each([
    [
      'an event that nobody hears',
      'src/saga.ts',
      `    'payments.refunded': [],\n`,
      '',
      /said but heard by nobody.*payments\.refunded/,
    ],
    [
      'an event that nobody says',
      'src/saga.ts',
      `'orders.cancelled': ['payments.refunded']`,
      `'orders.cancelled': []`,
      /heard but said by nobody.*payments\.refunded/,
    ],
    [
      'an event that is defined and never said',
      'src/events/index.ts',
      `  'timers.deadline': {`,
      `  'orders.shipped': { version: 1, payload: OrdersConfirmed },\n  'timers.deadline': {`,
      /defined but said by nobody.*orders\.shipped/,
    ],
    [
      'an event without a payload',
      'src/saga.ts',
      `'orders.created': ['payments.completed'`,
      `'orders.created': ['payments.started', 'payments.completed'`,
      /"payments\.started"' is not assignable/,
    ],
  ])('cannot hold %s', async (_, file, from, to, error) => {
    const dir = await copy();
    const source = await readFile(join(dir, file), 'utf8');
    expect(source).toContain(from);
    await writeFile(join(dir, file), source.replace(from, to));
    const saysOf = await compile(dir, ['src/index.ts']);
    expect(saysOf('src/')).toMatch(error);
  });
});
