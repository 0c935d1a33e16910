import { main, printed, UsageError } from '@pavane/tools';
import { writePlot, writeResult } from './compare.js';
import { benchOverload, describeOverload } from './overload/index.js';
import { writePage } from './page.js';
import { benchSaga, describeSaga } from './saga/index.js';
import { type ProfileName, profiles } from './saga/profiles.js';
import { type VariantName, variants } from './saga/variants.js';
import { describeWhere, whereTimeGoes } from './saga/where.js';
import { benchStart, describeStart } from './start.js';
import { benchTransport, describeTransport } from './transport/index.js';

const ROUNDS = { saga: '3', transport: '3', start: '3', overload: '3', compare: '7' };
/** How long a measurement lasts; those of the transport need less, because a message is less than a saga. */
const SECONDS = { saga: '10', transport: '4' };

interface Texts {
  rounds?: string | undefined;
  seconds?: string | undefined;
  orders?: string | undefined;
  'in-flight': string;
  profile: string;
  only?: string | undefined;
  growth?: string | undefined;
  backlog?: string | undefined;
  'no-peers'?: boolean | undefined;
}

const commands = {
  async saga(texts: Texts) {
    const report = await benchSaga(sagaOptions(texts, ROUNDS.saga));
    return { text: describeSaga(report), report };
  },

  async transport(texts: Texts) {
    const report = await benchTransport(transportOptions(texts, ROUNDS.transport));
    return { text: describeTransport(report), report };
  },

  async start(texts: Texts) {
    const report = await benchStart(startOptions(texts, ROUNDS.start));
    return { text: describeStart(report), report };
  },

  async overload(texts: Texts) {
    const report = await benchOverload(overloadOptions(texts));
    return { text: describeOverload(report), report };
  },

  async where(texts: Texts) {
    const report = await sampled(sagaOptions(texts, '1'));
    return { text: describeWhere(report), report };
  },

  async compare(texts: Texts) {
    const keep = (report: object) => writeResult('saga', report);
    const saga = await benchSaga({ ...sagaOptions(texts, ROUNDS.compare), keep });
    const files = [keep(saga)];
    const transport = await benchTransport(transportOptions(texts, ROUNDS.compare));
    files.push(writeResult('transport', transport), writePlot(saga, transport));
    const start = await benchStart(startOptions(texts, ROUNDS.compare));
    files.push(writeResult('start', start));
    const where = await sampled(sagaOptions({ ...texts, profile: 'r1' }, '1'));
    const all = { saga, transport, start, where };
    files.push(writeResult('where', where), writePage(all));
    const parts = [describeSaga(saga), describeTransport(transport), describeStart(start)];
    return { text: [...parts, files.map((file) => `  ${file}`).join('\n')].join('\n\n'), report: all };
  },
};

await main({
  usage: 'npm run bench -- saga | transport | start | overload | where | compare [--rounds N] [--seconds N] [--json] …',
  about: [
    'saga       the whole saga, from POST /orders to the ending, beside a textbook and a floor',
    'transport  events and requests of libs/jetstream alone, beside the bare client and its peers',
    'start      how long a service takes until it is ready, and npm start to the first confirmed order',
    'overload   customers at twice and at five times the capacity: what is accepted, and what comes of it',
    'where      where the CPU time of a saga goes: samples of every service at full load',
    'compare    all of it with more rounds; kept in bench/results, drawn and told in docs/performance.md',
    '',
    'Load generator, services, broker and database all run on this machine; see bench/README.md.',
  ].join('\n'),
  options: {
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    orders: { type: 'string' },
    'in-flight': { type: 'string', default: '256' },
    profile: { type: 'string', default: 'both' },
    only: { type: 'string' },
    growth: { type: 'string' },
    backlog: { type: 'string' },
    'no-peers': { type: 'boolean' },
    json: { type: 'boolean' },
  },
  help: {
    '--rounds N': `how often everything is measured, in turns (default ${ROUNDS.saga}, to compare ${ROUNDS.compare})`,
    '--seconds N': `how long each measurement takes (default ${SECONDS.saga}, of the transport ${SECONDS.transport})`,
    '--orders N': 'saga: ends a measurement of capacity after so many orders',
    '--in-flight N': 'saga: orders that are on their way at a time while capacity is measured (default 256)',
    '--profile NAME': 'saga: r1, one nats-server; r3, three, each message synced by all; both (the default)',
    '--only NAMES': `saga: only these of ${variants.map(({ name }) => name).join(', ')}, with commas`,
    '--growth N': 'saga: measures the product also with up to N stored orders and N / 5 that wait',
    '--backlog N': 'with --growth: so many wait; 200000 take hours',
    '--no-peers': 'transport: without the peers, which are installed else',
    '--json': 'print one JSON object as the last line',
  },
  async run({ json, ...texts }, [what = '', ...rest]) {
    if (rest.length > 0) throw new UsageError(`${rest.join(' ')} is too much`);
    if (!Object.hasOwn(commands, what)) throw new UsageError(`say ${Object.keys(commands).join(', or ')}`);
    const { text, report } = await commands[what as keyof typeof commands](texts);
    console.log(text);
    if (json) console.log(JSON.stringify(report));
    return 0;
  },
});

/** Where the time of the first of the chosen variants goes, on the first of the chosen profiles. */
function sampled({ seconds, inFlight, profiles: named, variants: chosen }: ReturnType<typeof sagaOptions>) {
  const variant = variants.find(({ name }) => name === chosen[0])!;
  return printed('samples of every service', () => whereTimeGoes(variant, profiles[named[0]!], { seconds, inFlight }));
}

function sagaOptions(texts: Texts, rounds: string) {
  const { orders } = texts;
  return {
    rounds: whole('--rounds', texts.rounds ?? rounds),
    seconds: positive('--seconds', texts.seconds ?? SECONDS.saga),
    orders: orders === undefined ? undefined : whole('--orders', orders),
    inFlight: whole('--in-flight', texts['in-flight']),
    profiles: profilesOf(texts.profile),
    variants: variantsOf(texts.only),
    growth: growthOf(texts),
    progress: printed,
  };
}

function growthOf({ growth, backlog }: Texts) {
  if (growth === undefined) {
    if (backlog !== undefined) throw new UsageError('--backlog says more about --growth, which is missing');
    return undefined;
  }
  const stored = whole('--growth', growth);
  return { stored, backlog: backlog === undefined ? Math.ceil(stored / 5) : whole('--backlog', backlog) };
}

function transportOptions(texts: Texts, rounds: string) {
  return {
    rounds: whole('--rounds', texts.rounds ?? rounds),
    seconds: positive('--seconds', texts.seconds ?? SECONDS.transport),
    peers: !texts['no-peers'],
    progress: printed,
  };
}

function startOptions(texts: Texts, rounds: string) {
  return { rounds: whole('--rounds', texts.rounds ?? rounds), progress: printed };
}

function overloadOptions(texts: Texts) {
  const { rounds, progress } = startOptions(texts, ROUNDS.overload);
  return { rounds, progress, seconds: positive('--seconds', texts.seconds ?? SECONDS.saga) };
}

function positive(option: string, text: string): number {
  const number = Number(text);
  if (!(number > 0) || number === Infinity) throw new UsageError(`${option} ${text} is not a positive number`);
  return number;
}

function whole(option: string, text: string): number {
  const number = positive(option, text);
  if (!Number.isSafeInteger(number)) throw new UsageError(`${option} ${text} is not a whole number`);
  return number;
}

function profilesOf(text: string): ProfileName[] {
  if (text === 'both') return ['r1', 'r3'];
  if (text === 'r1' || text === 'r3') return [text];
  throw new UsageError(`--profile ${text} is none of r1, r3 and both`);
}

function variantsOf(text: string | undefined): VariantName[] {
  const known = variants.map(({ name }) => name);
  const wanted = text?.split(',') ?? known;
  const unknown = wanted.find((name) => !known.some((one) => one === name));
  if (unknown !== undefined) throw new UsageError(`--only ${unknown} is none of ${known.join(', ')}`);
  return known.filter((name) => wanted.includes(name));
}
