import { createHmac } from 'node:crypto';
import { UntrustedNotice } from '../payment.provider.js';
import { trusted } from './signature.js';

const NOW = 1_900_000_000;
const hmac = (body: string, secret: string, seconds: number | string) =>
  createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex');
const read = (body: string, header: string | undefined, secret: string | undefined = 'ours') =>
  trusted({ header: () => header, body: Buffer.from(body) }, 'signature', secret, NOW * 1000);
const signed = (body: string, seconds: number | string = NOW) => `t=${seconds},v1=${hmac(body, 'ours', seconds)}`;

it('a notice that is signed with our secret is read', () => {
  expect(read('{"key":"o1"}', signed('{"key":"o1"}'))).toEqual({ key: 'o1' });
  expect(read('{"key":"ö"}', signed('{"key":"ö"}'))).toEqual({ key: 'ö' });
});

it('while a secret is replaced, one signature of several is enough', () => {
  const both = `t=${NOW}, v0=ab, v1=${hmac('{}', 'the next', NOW)}, v1=${hmac('{}', 'ours', NOW)}`;
  expect(read('{}', both)).toEqual({});
});

it.each([
  ['no signature', undefined],
  ['an empty one', ''],
  ['words in its place', 'hello'],
  ['no time', `v1=${hmac('{}', 'ours', '')}`],
  ['no time that is a number', signed('{}', 'now')],
  ['a time of its own and the signature of another', `t=${NOW + 1},v1=${hmac('{}', 'ours', NOW)}`],
  ['another secret', `t=${NOW},v1=${hmac('{}', 'theirs', NOW)}`],
  ['an older kind of signature', `t=${NOW},v0=${hmac('{}', 'ours', NOW)}`],
  ['half of a signature', `t=${NOW},v1=${hmac('{}', 'ours', NOW).slice(0, 32)}`],
  ['a signature from 6 minutes ago', signed('{}', NOW - 360)],
  ['a signature from 6 minutes ahead', signed('{}', NOW + 360)],
])('a notice with %s is not believed', (_, header) => {
  expect(() => read('{}', header)).toThrow(UntrustedNotice);
});

it('without a secret nothing is believed, not even what is signed with none', () => {
  const header = `t=${NOW},v1=${hmac('{}', '', NOW)}`;
  for (const secret of [undefined, ''])
    expect(() => trusted({ header: () => header, body: Buffer.from('{}') }, 'signature', secret, NOW * 1000)).toThrow(
      /PROVIDER_WEBHOOK_SECRET/,
    );
});

it.each(['null', '7', '"x"', '[]', 'true'])('%s means nothing and throws nothing', (body) => {
  expect(read(body, signed(body))['key']).toBeUndefined();
});

it('what is no JSON is not believed although it is signed', () => {
  expect(() => read('{', signed('{'))).toThrow(UntrustedNotice);
});
