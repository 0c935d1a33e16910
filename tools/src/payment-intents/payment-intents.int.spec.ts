import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { HttpServer } from '../http.js';
import { startPaymentIntents } from './payment-intents.js';

let api: HttpServer;
beforeEach(async () => {
  api = await startPaymentIntents({ port: 0, apiKey: 'sk' });
});
afterEach(() => api.close());

interface Reply {
  status: number;
  body: { id: string; status: string; error?: { type: string; code: string; payment_intent?: { status: string } } };
}
const ask = async (path: string, form: Record<string, string> = {}, key?: string): Promise<Reply> => {
  const response = await fetch(`${api.url}/v1/${path}`, {
    method: 'POST',
    headers: { authorization: 'Bearer sk', ...(key && { 'idempotency-key': key }) },
    body: new URLSearchParams(form),
  });
  return { status: response.status, body: (await response.json()) as Reply['body'] };
};
const create = (change: Record<string, string> = {}, key = 'k1') =>
  ask('payment_intents', { amount: '100', currency: 'eur', payment_method: 'pm_card_visa', ...change }, key);

it('a payment that is created has moved no money, and is captured once it is confirmed', async () => {
  const { body } = await create();
  expect(body.status).toBe('requires_confirmation');
  expect(await ask(`payment_intents/${body.id}/confirm`)).toMatchObject({ body: { status: 'succeeded' } });
  expect(await ask(`payment_intents/${body.id}/confirm`)).toMatchObject({
    status: 400,
    body: { error: { code: 'payment_intent_unexpected_state', payment_intent: { status: 'succeeded' } } },
  });
  expect(await ask(`payment_intents/${body.id}/cancel`)).toMatchObject({ status: 400 });
});

it('the same key repeats the first answer as it was, and comes with no other parameters', async () => {
  const first = await create();
  await ask(`payment_intents/${first.body.id}/confirm`);
  expect(await create()).toEqual(first);
  expect(await create({ amount: '101' })).toMatchObject({
    status: 400,
    body: { error: { type: 'idempotency_error' } },
  });
  expect((await create({}, 'k2')).body.id).not.toBe(first.body.id);
});

it('a card that is declined leaves the payment open for another, until it is canceled', async () => {
  const { body } = await create({ payment_method: 'pm_card_chargeDeclined' });
  expect(await ask(`payment_intents/${body.id}/confirm`)).toMatchObject({
    status: 402,
    body: { error: { type: 'card_error', payment_intent: { status: 'requires_payment_method' } } },
  });
  expect(await ask(`payment_intents/${body.id}/cancel`)).toMatchObject({ body: { status: 'canceled' } });
});

it('a refund needs a capture and gives back no more than that', async () => {
  const { body } = await create();
  const refund = (amount: string, key: string) => ask('refunds', { payment_intent: body.id, amount }, key);
  expect(await refund('100', 'r1')).toMatchObject({ status: 400 });
  await ask(`payment_intents/${body.id}/confirm`);
  expect(await refund('101', 'r2')).toMatchObject({ status: 400, body: { error: { code: 'amount_too_large' } } });
  expect(await refund('100', 'r3')).toMatchObject({ status: 200 });
  expect(await refund('1', 'r4')).toMatchObject({ body: { error: { code: 'charge_already_refunded' } } });
});
