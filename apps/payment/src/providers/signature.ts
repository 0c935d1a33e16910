import { createHmac, timingSafeEqual } from 'node:crypto';
import { type Notice, UntrustedNotice } from '../payment.provider.js';

/** A notice older than this may be somebody's recording of it. */
const OLDEST_MS = 300_000;

/**
 * The body of a notice whose header is `t=<seconds>,v1=<hex>[,v1=<hex>]`: a time, and the HMAC-SHA256 of
 * `<seconds>.<body>` under the secret, or under several while a secret is replaced.
 * @throws UntrustedNotice
 */
export function trusted(
  { header, body }: Notice,
  name: string,
  secret: string | undefined,
  nowMs = Date.now(),
): Readonly<Record<string, unknown>> {
  if (!secret) throw new UntrustedNotice('PROVIDER_WEBHOOK_SECRET is not set, so no notice can be verified');
  const fields = (header(name) ?? '').split(',').map((field) => field.trim().split('=') as [string, string?]);
  const seconds = fields.find(([key]) => key === 't')?.[1] ?? '';
  const expected = createHmac('sha256', secret).update(`${seconds}.`).update(body).digest();
  const signed = fields.some(([key, value = '']) => {
    const given = Buffer.from(key === 'v1' ? value : '', 'hex');
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
  if (!signed) throw new UntrustedNotice(`the ${name} header does not sign this body with our secret`);
  if (!/^\d+$/.test(seconds) || Math.abs(nowMs - Number(seconds) * 1000) > OLDEST_MS)
    throw new UntrustedNotice(`the ${name} header was made at ${seconds}, more than 5 minutes from now`);
  return objectIn(body);
}

function objectIn(body: Buffer): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(body.toString('utf8'));
    return Object(parsed) as Readonly<Record<string, unknown>>;
  } catch (error) {
    throw new UntrustedNotice('the notice is signed and is not JSON', { cause: error });
  }
}
