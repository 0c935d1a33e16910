import { type Answer, type Call, type HttpServer, type Listening, NO_ANSWER, Refused, serveHttp } from '../http.js';
import { Journal } from '../journal.js';
import { FaultInjector } from './faults.js';
import { type Charge, type Entry, Ledger } from './ledger.js';
import { type ChargeRequest, chargeRequest, refundRequest } from './requests.js';
import { SlowCharges } from './slow-charges.js';
import { type WebhookOptions, Webhooks } from '../webhooks.js';

export interface ProviderOptions extends Listening {
  /** How long a `card_slow` charge stays pending. Default 15 000. */
  slowChargeMs?: number;
  /** File that the ledger survives a restart in. Default: it does not. */
  stateFile?: string;
  /** Decides which charges `declineRate` hits. Default empty. */
  seed?: string;
  /** Callers have to name it as their bearer token. Default: anybody may call. */
  apiKey?: string;
  /** Who is told of charges that were decided while no caller waited. */
  webhook?: WebhookOptions;
}

type Outcome = Answer | typeof NO_ANSWER;

const FLAKY_CHARGE_FAILURES = 2;
const FLAKY_REFUND_FAILURES = 3;

/**
 * A payment provider as far as a merchant sees one: charges and refunds by idempotency key, voids, and the ways in
 * which providers let callers down, chosen by payment method or switched on as faults. Every answer is given after
 * what it says is on disk.
 */
export async function startProvider(options: ProviderOptions): Promise<HttpServer> {
  const ledger = new Ledger();
  const journal = await Journal.open<Entry>(options.stateFile, (entry) => ledger.apply(entry));
  const provider = new Provider(ledger, journal, options);
  type Handle = (call: Call) => Outcome | Promise<Outcome>;
  const known = (handle: Handle) => (call: Call) => {
    if (options.apiKey !== undefined && call.header('authorization') !== `Bearer ${options.apiKey}`)
      throw new Refused(401, { error: 'the Authorization header names no key of an account here' });
    return handle(call);
  };
  const durably = (handle: Handle) => async (call: Call) => {
    const outcome = await handle(call);
    await journal.durable();
    return outcome;
  };
  const admitted = (handle: Handle) =>
    durably(async (call) => ((await provider.faults.admit()) ? await handle(call) : NO_ANSWER));
  const server = await serveHttp(
    {
      'POST /charges': known(admitted((call) => provider.charge(chargeRequest(call), `http://${call.header('host')}`))),
      'GET /charges/:key': known(durably(({ params }) => provider.show(params['key'] ?? ''))),
      'POST /charges/:key/void': known(durably(({ params }) => provider.void(params['key'] ?? ''))),
      // The bank's page, where the customer of a card_3ds is sent.
      'POST /charges/:key/authenticate': durably(({ params, body }) =>
        provider.authenticate(params['key'] ?? '', body),
      ),
      'POST /refunds': known(admitted((call) => provider.refund(call))),
      'GET /ledger': durably(() => ({ status: 200, body: ledger.summary() })),
      'GET /faults': () => ({ status: 200, body: provider.faults.current() }),
      'POST /faults': ({ body }) => ({ status: 200, body: provider.faults.set(body) }),
      'DELETE /faults': () => {
        provider.faults.clear();
        return { status: 204 };
      },
      'GET /health': durably(() => ({ status: 200, body: { status: 'ok' } })),
    },
    options,
  );
  return {
    ...server,
    close: async () => {
      const closed = server.close();
      provider.abandonPending();
      await closed;
      await journal.close();
    },
  };
}

class Provider {
  readonly faults: FaultInjector;
  private readonly pending: SlowCharges;
  /** Charges that wait for their customer, by key. As with slow ones, no money was taken and a restart forgets them. */
  private readonly waiting = new Map<string, ChargeRequest>();
  private readonly webhooks: Webhooks;
  private readonly failures = new Map<string, number>();

  constructor(
    private readonly ledger: Ledger,
    private readonly journal: Journal<Entry>,
    { seed = '', slowChargeMs = 15_000, webhook }: ProviderOptions,
  ) {
    this.webhooks = new Webhooks('webhook-signature', webhook);
    this.faults = new FaultInjector(seed);
    this.pending = new SlowCharges(slowChargeMs);
  }

  async charge(request: ChargeRequest, baseUrl: string): Promise<Outcome> {
    const { key, method } = request;
    const decided = this.ledger.charge(key);
    if (decided) {
      if (decided.status !== 'voided') refuseAnother(request, decided);
      return answerOf(decided);
    }
    const pending = this.pending.request(key);
    if (pending) {
      refuseAnother(request, pending);
      return await this.awaitSlow(key);
    }
    const waiting = this.waiting.get(key);
    if (waiting) refuseAnother(request, waiting);
    switch (method) {
      case 'card_3ds':
        this.waiting.set(key, request);
        return { status: 202, body: { key, status: 'waiting', customerUrl: `${baseUrl}/charges/${key}/authenticate` } };
      case 'card_slow':
        this.pending.start(request, () => {
          this.decide(request);
          this.webhooks.send({ type: 'charge.decided', key });
        });
        return await this.awaitSlow(key);
      case 'card_flaky':
        if (this.fails(`charge ${key}`, FLAKY_CHARGE_FAILURES)) return unavailable(key);
        break;
      case 'card_lost_reply':
        this.decide(request);
        return NO_ANSWER;
      case 'card_ok':
      case 'card_declined':
      case 'card_refund_flaky':
        break;
    }
    this.decide(request);
    return this.outcomeOf(key, 201);
  }

  show(key: string): Answer {
    const charge = this.ledger.charge(key);
    if (charge) return { status: 200, body: charge };
    const pending = this.pending.request(key);
    const undecided = { ...(pending ?? this.waiting.get(key)), refunded: 0, captures: 0 };
    if (pending) return { status: 200, body: { ...undecided, status: 'pending' } };
    if (this.waiting.has(key)) return { status: 200, body: { ...undecided, status: 'waiting' } };
    return { status: 404, body: { key, error: 'no charge has this key' } };
  }

  void(key: string): Answer {
    const charge = this.ledger.charge(key);
    if (charge) return { status: charge.status === 'captured' ? 409 : 200, body: { key, status: charge.status } };
    this.journal.append({ type: 'voided', key, at: now() });
    this.pending.cancel(key);
    this.waiting.delete(key);
    return { status: 200, body: { key, status: 'voided' } };
  }

  /** The customer did what a waiting charge needs, or refused to (`{ "decline": true }`). */
  authenticate(key: string, { decline }: Readonly<Record<string, unknown>>): Answer {
    const request = this.waiting.get(key);
    if (!request) throw new Refused(404, { key, error: 'no charge of this key waits for its customer' });
    this.waiting.delete(key);
    this.decide(request, decline === true ? 'declined by the customer' : '');
    this.webhooks.send({ type: 'charge.decided', key });
    return { status: 200, body: { key, status: 'done' } };
  }

  refund(call: Call): Answer {
    const { id, key, amount } = refundRequest(call);
    const given = this.ledger.refund(id);
    if (given) {
      if (given.key !== key || given.amount !== amount)
        throw new Refused(409, { key, error: `the idempotency key ${id} was used for another refund` });
      return { status: 200, body: { key, status: 'refunded', amount, at: given.at } };
    }
    const charge = this.ledger.charge(key);
    if (!charge) throw new Refused(404, { key, error: 'no charge has this key' });
    const left = charge.status === 'captured' ? charge.amount - charge.refunded : 0;
    if (amount > left)
      throw new Refused(422, { key, error: `${amount} is more than the ${left} that can be refunded` });
    const flaky = charge.method === 'card_refund_flaky' && this.fails(`refund ${key}`, FLAKY_REFUND_FAILURES);
    if (flaky || this.faults.failsRefund()) return unavailable(key);
    const at = now();
    this.journal.append({ type: 'refunded', id, key, amount, at });
    return { status: 201, body: { key, status: 'refunded', amount, at } };
  }

  /** Closes the connections of slow and hanging requests: nothing was captured, and their callers learn nothing. */
  abandonPending(): void {
    this.faults.clear();
    this.pending.close();
    this.webhooks.close();
  }

  private async awaitSlow(key: string): Promise<Outcome> {
    return (await this.pending.settled(key)) === 'abandoned' ? NO_ANSWER : this.outcomeOf(key, 201);
  }

  private decide({ key, amount, currency, method }: ChargeRequest, refusal = ''): void {
    const cause = method === 'card_declined' ? 'card declined' : this.faults.declines(key) ? 'declined by fault' : '';
    const reason = refusal || cause;
    const facts = { key, amount, currency, method, at: now() };
    this.journal.append(reason === '' ? { type: 'captured', ...facts } : { type: 'declined', ...facts, reason });
  }

  private outcomeOf(key: string, captured: number): Answer {
    const charge = this.ledger.charge(key);
    if (!charge) throw new Error(`charge ${key} was decided and is not in the ledger`);
    return answerOf(charge, captured);
  }

  /** True for the first so many times. Counted in memory: a restart forgives. */
  private fails(what: string, times: number): boolean {
    const count = (this.failures.get(what) ?? 0) + 1;
    this.failures.set(what, count);
    return count <= times;
  }
}

function answerOf(charge: Charge, captured = 200): Answer {
  const { key, status, amount, currency, at, reason } = charge;
  if (status === 'captured') return { status: captured, body: { key, status, amount, currency, at } };
  return status === 'declined'
    ? { status: 402, body: { key, status, reason } }
    : { status: 409, body: { key, status } };
}

type Terms = Pick<ChargeRequest, 'amount' | 'currency'> & { method: string };

function refuseAnother(wanted: ChargeRequest, known: Terms): void {
  const same = wanted.amount === known.amount && wanted.currency === known.currency && wanted.method === known.method;
  if (!same) throw new Refused(409, { key: wanted.key, error: 'this key was used for another charge' });
}

function unavailable(key: string): Answer {
  return { status: 503, body: { key, error: 'temporarily unavailable' } };
}

function now(): string {
  return new Date().toISOString();
}
