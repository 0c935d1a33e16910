import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { eventually } from '@pavane/testing';
import { RetryLater } from '@pavane/jetstream';
import { Logger } from '@nestjs/common';
import { randomUUID } from 'node:crypto';
import { type Notice, type Payable, type PaymentProvider, UntrustedNotice } from './payment.provider.js';
import { Between } from './payment.provider.fixture.js';

/** A provider that an adapter is tried with, and how it is set up. */
export interface ProviderUnderTest extends AsyncDisposable {
  /** Where its API answers. */
  readonly url: string;
  /** Payment methods by how they turn out. */
  readonly methods: { good: string; declined: string; needsCustomer: string };
  /** The adapter, speaking to the provider at `url`; `TIMEOUT_MS` is its patience. */
  adapter(url: string, options?: { wrongCredentials: boolean }): PaymentProvider;
  /** What the provider itself has in its books for an order, in minor units. */
  books(orderId: string): Promise<{ captures: number; captured: number; refunded: number }>;
  /** The customer does what the provider waits for. */
  customer(customerUrl: string, does: 'accepts' | 'declines'): Promise<void>;
  /** Every notice the provider has sent so far. */
  notices(): readonly Notice[];
}

/** How long an adapter under test may wait for an answer. */
export const TIMEOUT_MS = 400;
const AMOUNT = 1250;

const JSON_TYPE = { 'content-type': 'application/json' };
/** What comes in place of an answer, each of it known to have happened in front of a real provider. */
const NO_ANSWERS = {
  'a redirect to a login page': { status: 302, headers: { location: '/login' }, body: '' },
  'a login page': { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>Sign in</html>' },
  'a 401': { status: 401, headers: JSON_TYPE, body: '{}' },
  'a 404': { status: 404, headers: JSON_TYPE, body: '{}' },
  'a 429': { status: 429, headers: JSON_TYPE, body: '{}' },
  'a 500': { status: 500, headers: JSON_TYPE, body: '{"status":"captured"}' },
  'a 503': { status: 503, headers: JSON_TYPE, body: '' },
  'half of some JSON': { status: 200, headers: JSON_TYPE, body: '{"status":"capt' },
  'other JSON': { status: 200, headers: JSON_TYPE, body: '{"status":"whatever"}' },
} as const;

/** What any adapter must do with the provider it is made for: the promises of `PaymentProvider`. */
export function conformsToPaymentProvider(start: () => Promise<ProviderUnderTest>): void {
  let real: ProviderUnderTest;
  let between: Between;
  let provider: PaymentProvider;
  beforeEach(async () => {
    for (const level of ['warn', 'error'] as const) jest.spyOn(Logger.prototype, level).mockReturnValue(undefined);
    real = await start();
    between = await Between.start(real.url);
    provider = real.adapter(between.url);
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await between[Symbol.asyncDispose]();
    await real[Symbol.asyncDispose]();
  });

  const payable = (method: string = real.methods.good): Payable => ({
    orderId: randomUUID(),
    charge: {
      amount: { amount: AMOUNT, currency: 'EUR' },
      method,
      items: [{ sku: 'CUP', quantity: 1 }],
      deadlineAt: new Date(Date.now() + 60_000),
    },
  });
  /** The payment as it is stored after an answer. */
  const after = (payment: Payable, { reference }: { reference?: string }): Payable => ({
    ...payment,
    ...(reference && { reference }),
  });
  const charged = async (payment = payable()): Promise<Payable> => {
    const answer = await provider.charge(payment);
    expect(answer.type).toBe('captured');
    return after(payment, answer);
  };
  /** What came of a call, where a call that was certainly not acted on counts as unknown. */
  const typeOf = (call: Promise<{ type: string } | boolean>): Promise<string> =>
    call.then(
      (answer) => (typeof answer === 'boolean' ? (answer ? 'refunded' : 'unknown') : answer.type),
      (error: unknown) => {
        expect(error).toBeInstanceOf(RetryLater);
        return 'unknown';
      },
    );
  /** Runs `play` once for each request that `call` makes, with the number of that request. */
  const atEachStep = async (
    call: (on: PaymentProvider, payment: Payable) => Promise<unknown>,
    payment: () => Promise<Payable>,
    play: (step: number, payment: Payable) => Promise<void>,
  ) => {
    const first = await payment();
    const before = between.requests;
    await call(provider, first);
    const steps = between.requests - before;
    expect(steps).toBeGreaterThan(0);
    for (let step = 1; step <= steps; step++) {
      await play(step, await payment());
      between.pass();
    }
  };
  const captured = (payment: Payable) =>
    expect(real.books(payment.orderId)).resolves.toEqual({ captures: 1, captured: AMOUNT, refunded: 0 });
  const untouched = (payment: Payable) =>
    expect(real.books(payment.orderId)).resolves.toEqual({ captures: 0, captured: 0, refunded: 0 });

  describe('a charge', () => {
    it('is captured once, however often it is asked for', async () => {
      const payment = await charged();
      for (const again of [payment, { ...payment, reference: undefined }])
        expect(await provider.charge(again)).toMatchObject({ type: 'captured' });
      await captured(payment);
    });

    it('is captured once when two instances ask for it at once', async () => {
      const payment = payable();
      const types = await Promise.all([provider, real.adapter(between.url)].map((one) => typeOf(one.charge(payment))));
      for (const type of types) expect(['captured', 'unknown']).toContain(type);
      expect(await provider.charge(payment)).toMatchObject({ type: 'captured' });
      await captured(payment);
    });

    it('is told by the same name whoever asks, when the provider has one for it', async () => {
      const payment = payable();
      const answers = [await provider.charge(payment), await real.adapter(real.url).charge(payment)];
      expect(answers[1]).toEqual(answers[0]);
    });

    it('whose answer is lost is unknown, and captured once when it is asked for again', async () => {
      await atEachStep(
        (on, payment) => on.charge(payment),
        async () => payable(),
        async (step, payment) => {
          between.loseAnswer(step);
          const lost = await provider.charge(payment);
          expect(lost.type).toBe('unknown');
          between.pass();
          expect(await provider.charge(after(payment, lost))).toMatchObject({
            type: 'captured',
          });
          await captured(payment);
        },
      );
    });

    it('that is answered too late is unknown, and captured once', async () => {
      const payment = payable();
      between.holdAnswers();
      expect((await provider.charge(payment)).type).toBe('unknown');
      between.pass();
      expect(await provider.charge(payment)).toMatchObject({ type: 'captured' });
      await captured(payment);
    });

    it('that the bank declines captures nothing, then or later', async () => {
      const payment = payable(real.methods.declined);
      const answer = await provider.charge(payment);
      expect(answer.type).toBe('declined');
      expect((await provider.charge(payment)).type).toBe('declined');
      expect((await provider.charge(after(payment, answer))).type).toBe('declined');
      expect(['declined', 'voided']).toContain((await provider.void(payment)).type);
      await untouched(payment);
    });

    it('by a method that the provider does not know is declined', async () => {
      const payment = payable('no-such-method');
      expect((await provider.charge(payment)).type).toBe('declined');
      expect(['declined', 'voided']).toContain((await provider.void(payment)).type);
    });

    it('is asked for again by anybody once the credentials are right', async () => {
      const payment = payable();
      await expect(real.adapter(between.url, { wrongCredentials: true }).charge(payment)).rejects.toBeInstanceOf(
        RetryLater,
      );
      await untouched(payment);
      await charged(payment);
    });
  });

  describe('a void', () => {
    it('that comes first keeps a later charge from capturing', async () => {
      const payment = payable();
      expect((await provider.void(payment)).type).toBe('voided');
      expect((await provider.charge(payment)).type).toBe('voided');
      expect((await provider.void(payment)).type).toBe('voided');
      await untouched(payment);
    });

    it('keeps a charge that is still on its way from capturing', async () => {
      await atEachStep(
        (on, payment) => on.charge(payment),
        async () => payable(),
        async (step, payment) => {
          const late = between.holdRequest(step);
          expect(await typeOf(provider.charge(payment))).toBe('unknown');
          expect((await provider.void(payment)).type).toBe('voided');
          await late.release();
          expect((await provider.void(payment)).type).toBe('voided');
          await untouched(payment);
        },
      );
    });

    it.each([true, false])('after a capture says so (name of the charge known: %s)', async (known) => {
      const payment = await charged();
      expect((await provider.void(known ? payment : { ...payment, reference: undefined })).type).toBe('captured');
      await captured(payment);
    });

    it('after a charge whose answer was lost says what that charge did', async () => {
      await atEachStep(
        (on, payment) => on.charge(payment),
        async () => payable(),
        async (step, payment) => {
          between.loseAnswer(step);
          expect((await provider.charge(payment)).type).toBe('unknown');
          between.pass();
          const { type } = await provider.void(payment);
          const { captures } = await real.books(payment.orderId);
          expect(type).toBe(captures === 1 ? 'captured' : 'voided');
        },
      );
    });
  });

  describe('a refund', () => {
    it.each([true, false])(
      'gives all of it back once, however often it is asked for (name known: %s)',
      async (known) => {
        const payment = await charged();
        const asked = known ? payment : { ...payment, reference: undefined };
        expect([await provider.refund(asked), await provider.refund(asked)]).toEqual([true, true]);
        expect(await real.books(payment.orderId)).toEqual({ captures: 1, captured: AMOUNT, refunded: AMOUNT });
      },
    );

    it('whose answer is lost is given once', async () => {
      await atEachStep(
        (on, payment) => on.refund(payment),
        () => charged(),
        async (step, payment) => {
          between.loseAnswer(step);
          expect(await provider.refund(payment)).toBe(false);
          between.pass();
          expect(await provider.refund(payment)).toBe(true);
          expect(await real.books(payment.orderId)).toMatchObject({ refunded: AMOUNT });
        },
      );
    });

    it('of what was never captured is not given', async () => {
      const payment = payable();
      await provider.void(payment);
      expect(await provider.refund(payment)).toBe(false);
      await untouched(payment);
    });
  });

  describe.each(Object.entries(NO_ANSWERS))('%s in place of an answer', (_, answer) => {
    it('never settles a charge', async () => {
      await atEachStep(
        (on, payment) => on.charge(payment),
        async () => payable(),
        async (step, payment) => {
          between.answerWith(step, answer);
          expect(await typeOf(provider.charge(payment))).toBe('unknown');
          between.pass();
          await charged(payment);
          await captured(payment);
        },
      );
    });

    it('never settles a void', async () => {
      await atEachStep(
        (on, payment) => on.void(payment),
        () => charged(),
        async (step, payment) => {
          between.answerWith(step, answer);
          expect(await typeOf(provider.void(payment))).toBe('unknown');
          between.pass();
          expect((await provider.void(payment)).type).toBe('captured');
        },
      );
    });

    it('never settles a refund', async () => {
      await atEachStep(
        (on, payment) => on.refund(payment),
        () => charged(),
        async (step, payment) => {
          between.answerWith(step, answer);
          expect(await typeOf(provider.refund(payment))).toBe('unknown');
          between.pass();
          expect(await provider.refund(payment)).toBe(true);
        },
      );
    });
  });

  describe('a payment that needs its customer', () => {
    const waiting = async () => {
      const payment = payable(real.methods.needsCustomer);
      const answer = await provider.charge(payment);
      if (answer.type !== 'waiting') throw new Error(`it is ${answer.type} and does not wait for the customer`);
      return { payment: after(payment, answer), customerUrl: answer.customerUrl };
    };

    it('waits, and has captured nothing, however often it is asked for', async () => {
      const { payment, customerUrl } = await waiting();
      expect(await provider.charge(payment)).toMatchObject({ type: 'waiting', customerUrl });
      await untouched(payment);
    });

    it('is captured once the customer has done it', async () => {
      const { payment, customerUrl } = await waiting();
      await real.customer(customerUrl, 'accepts');
      expect((await provider.charge(payment)).type).toBe('captured');
      await captured(payment);
    });

    it('is declined when the customer declines, and captures nothing afterwards', async () => {
      const { payment, customerUrl } = await waiting();
      await real.customer(customerUrl, 'declines');
      expect((await provider.charge(payment)).type).toBe('declined');
      await real.customer(customerUrl, 'accepts').catch(() => undefined);
      expect((await provider.charge(payment)).type).toBe('declined');
      await untouched(payment);
    });

    it('is voided while it waits, and a customer who comes after that is not charged', async () => {
      const { payment, customerUrl } = await waiting();
      expect((await provider.void(payment)).type).toBe('voided');
      await real.customer(customerUrl, 'accepts').catch(() => undefined);
      expect((await provider.charge(payment)).type).toBe('voided');
      await untouched(payment);
    });

    it('is found captured by a void that comes too late', async () => {
      const { payment, customerUrl } = await waiting();
      await real.customer(customerUrl, 'accepts');
      expect((await provider.void(payment)).type).toBe('captured');
      expect(await provider.refund(payment)).toBe(true);
    });

    it('is told of by a signed notice, which means the same when it comes twice, late, or before an earlier one', async () => {
      const { payment, customerUrl } = await waiting();
      await real.customer(customerUrl, 'accepts');
      const about = () => real.notices().filter((notice) => provider.orderOf(notice) === payment.orderId);
      await eventually(() => expect(about()).not.toEqual([]));
      for (const notice of [...about().toReversed(), ...about()]) {
        expect(provider.orderOf(notice)).toBe(payment.orderId);
        expect((await provider.charge(payment)).type).toBe('captured');
      }
      await captured(payment);
    });

    it('is not told of by a notice that was changed, signed by somebody else, recorded long ago or not signed', async () => {
      const { customerUrl } = await waiting();
      await real.customer(customerUrl, 'accepts');
      await eventually(() => expect(real.notices()).not.toEqual([]));
      const [notice] = real.notices() as [Notice];
      const body = Buffer.from(notice.body.toString().replace(/[0-9a-f]{12}/, '000000000000'));
      const flipped = (value: string | undefined) => value?.replace(/.$/, (last) => (last === '0' ? '1' : '0'));
      const forged: Notice[] = [
        { ...notice, body },
        { ...notice, header: (name) => flipped(notice.header(name)) },
        { ...notice, header: () => undefined },
      ];
      for (const one of forged) expect(() => provider.orderOf(one)).toThrow(UntrustedNotice);
      expect(provider.orderOf(notice)).toBeDefined();
      jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 24 * 3_600_000);
      expect(() => provider.orderOf(notice)).toThrow(UntrustedNotice);
    });
  });
}
