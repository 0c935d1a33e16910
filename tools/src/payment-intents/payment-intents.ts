import { randomUUID } from 'node:crypto';
import { type Answer, type Call, type HttpServer, type Listening, Refused, serveHttp } from '../http.js';
import { type WebhookOptions, Webhooks } from '../webhooks.js';
import { type Intent, Intents, refusal } from './intents.js';

export interface PaymentIntentsOptions extends Listening {
  /** The bearer token that callers have to name. */
  apiKey: string;
  /** Who is told of each new state of a payment. */
  webhook?: WebhookOptions;
}

/**
 * A fake of a payment API in which a payment is an object with states of its own: created without moving money,
 * confirmed, and perhaps completed by its customer. Forms in, JSON out; an idempotency key belongs to its first
 * request, whose answer is repeated as it was then and which may come with no other parameters. Kept in memory.
 */
export async function startPaymentIntents(options: PaymentIntentsOptions): Promise<HttpServer> {
  const webhooks = new Webhooks('stripe-signature', options.webhook);
  const intents = new Intents((intent) =>
    webhooks.send({
      id: `evt_${randomUUID()}`,
      object: 'event',
      type: `payment_intent.${intent.status === 'requires_payment_method' ? 'payment_failed' : intent.status}`,
      data: { object: intent },
    }),
  );
  const once = new Keys();
  const known = (handle: (call: Call) => unknown) => (call: Call) => {
    if (call.header('authorization') !== `Bearer ${options.apiKey}`)
      throw refusal(401, 'invalid_request_error', 'api_key_invalid');
    return once.answer(call, () => ({ status: 200, body: handle(call) }));
  };
  const id = ({ params }: Call) => params['id']!;
  const bank = (call: Call) => `http://${call.header('host')}/bank/${id(call)}`;
  const server = await serveHttp(
    {
      'POST /v1/payment_intents': known(({ body }) =>
        intents.create(Number(body['amount']), field(body, 'currency'), field(body, 'payment_method'), metadata(body)),
      ),
      'GET /v1/payment_intents/:id': known((call) => intents.get(id(call))),
      'POST /v1/payment_intents/:id/confirm': known((call) =>
        intents.confirm(id(call), bank(call), field(call.body, 'return_url')),
      ),
      'POST /v1/payment_intents/:id/cancel': known((call) =>
        intents.cancel(id(call), field(call.body, 'cancellation_reason')),
      ),
      'POST /v1/refunds': known(({ body }) => intents.refund(field(body, 'payment_intent'), Number(body['amount']))),
      'POST /bank/:id': (call) => ({
        status: 200,
        body: intents.authenticate(id(call), call.body['decline'] !== true),
      }),
      'GET /ledger': () => ({ status: 200, body: { charges: intents.all().map((intent) => entry(intent, intents)) } }),
    },
    options,
  );
  return {
    ...server,
    close: () => {
      webhooks.close();
      return server.close();
    },
  };
}

/** What each idempotency key was used for first, and what came of it. */
class Keys {
  readonly #first = new Map<string, { request: string; answer: Answer }>();

  answer({ header, params, body }: Call, handle: () => Answer): Answer {
    const key = header('idempotency-key');
    if (key === undefined) return handle();
    const request = JSON.stringify([params, body]);
    const known = this.#first.get(key);
    if (known && known.request !== request) throw refusal(400, 'idempotency_error', 'idempotency_key_in_use');
    if (known) return known.answer;
    const answer = this.#refusedOr(handle);
    // As it is now: the payment goes on, its first answer does not.
    this.#first.set(key, { request, answer: structuredClone(answer) });
    return answer;
  }

  #refusedOr(handle: () => Answer): Answer {
    try {
      return handle();
    } catch (error) {
      if (error instanceof Refused) return { status: error.status, body: error.body };
      throw error;
    }
  }
}

/** A field of a form; empty when it is missing, and when the body was no form. */
function field(body: Call['body'], name: string): string {
  const value = body[name];
  return typeof value === 'string' ? value : '';
}

function metadata(body: Call['body']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(body).flatMap(([name, value]) => {
      const [, key] = /^metadata\[(\w+)\]$/.exec(name) ?? [];
      return key === undefined ? [] : [[key, String(value)]];
    }),
  );
}

/** A payment as the simulated provider's ledger lists its charges. */
function entry({ id, status, amount, metadata: { order_id: key } }: Intent, intents: Intents) {
  return { id, key, status, amount, captures: status === 'succeeded' ? 1 : 0, refunded: intents.refundedOf(id) };
}
