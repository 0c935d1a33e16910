import { isAway, isConflict, isDataError, isGivenUp, isImpossible, together } from './database.js';

const code = (text: unknown) => Object.assign(new Error('no'), { code: text });
const saying = (message: string) => new Error(message);
/** As Prisma tells of an error of the database. */
const wrapped = (original: string) =>
  Object.assign(new Error('no'), {
    code: 'P2010',
    meta: { driverAdapterError: { cause: { originalCode: original } } },
  });

describe('the database is away', () => {
  it.each(['08006', '08P01', '53300', '57P01', '57P03', '57014', '55P03'])('when it says %s', (sqlState) => {
    expect(isAway(code(sqlState))).toBe(true);
    expect(isAway(wrapped(sqlState))).toBe(true);
  });

  it.each([
    'ECONNREFUSED',
    'ECONNRESET',
    'EPIPE',
    'ETIMEDOUT',
    'EHOSTUNREACH',
    'ENETUNREACH',
    'ENOTFOUND',
    'EAI_AGAIN',
  ])('when the network says %s', (sign) => expect(isAway(code(sign))).toBe(true));

  it.each(['P1001', 'P1002', 'P1008', 'P1017', 'P2024'])('when Prisma says %s', (sign) =>
    expect(isAway(code(sign))).toBe(true),
  );

  it.each([
    'Connection terminated unexpectedly',
    'timeout exceeded when trying to connect',
    'Query read timeout',
    'Client has encountered a connection error and is not queryable',
    'Cannot use a pool after calling end on the pool',
  ])('when the driver says "%s"', (message) => expect(isAway(saying(message))).toBe(true));

  it.each([
    '23505',
    '22P02',
    '42P01',
    '40001',
    '1080066',
    '080061',
    'X57014',
    'EPIPES',
    'UNECONNREFUSED',
    '57P0',
    '080',
  ])('is not what %s means', (other) => expect(isAway(code(other))).toBe(false));

  it.each([undefined, null, 'a string', {}, code(57014)])('is not what %p means', (other) =>
    expect(isAway(other)).toBe(false),
  );
});

type Meaning = 'given up' | 'in the way' | 'refused' | 'impossible';

/** A statement that was given up on, another transaction in the way, data refused, a value that is impossible. */
it.each<[string, Meaning[]]>([
  ['57014', ['given up']],
  ['55P03', ['given up']],
  ['40001', ['in the way']],
  ['40P01', ['in the way']],
  ['0A000', ['in the way']],
  ['26000', ['in the way']],
  ['23505', ['in the way', 'refused']],
  ['23502', ['refused']],
  ['23514', ['refused', 'impossible']],
  ['22001', ['refused', 'impossible']],
  ['22P02', ['refused', 'impossible']],
  ['42601', []],
  ['122001', []],
  ['2300', []],
  ['235140', []],
  ['P2022', []],
])('SQLSTATE %s means %j', (sqlState, meanings) => {
  const told = { 'given up': isGivenUp, 'in the way': isConflict, refused: isDataError, impossible: isImpossible };
  expect(Object.entries(told).flatMap(([meaning, is]) => (is(code(sqlState)) ? [meaning] : []))).toEqual(meanings);
});

describe('statements that are sent together', () => {
  it('fail for the reason that made the others fail, and not before all have ended', async () => {
    const last = Promise.withResolvers<void>();
    let ended = false;
    const all = together([
      Promise.reject(code('25P02')),
      Promise.reject(code('23505')),
      last.promise.then(() => (ended = true)),
    ]);
    last.resolve();
    await expect(all).rejects.toMatchObject({ code: '23505' });
    expect(ended).toBe(true);
    await expect(together([Promise.reject(code('25P02'))])).rejects.toMatchObject({ code: '25P02' });
    expect(await together([Promise.resolve(1), Promise.resolve('two')])).toEqual([1, 'two']);
  });
});
