import { answersTo, expectedAfter, type Service, SERVICES, sourceOf, undoneBy } from '@pavane/contracts';
import { type Evidence, isNotification } from './evidence.js';

/** One promise of the platform, judged. */
export interface Invariant {
  name: string;
  holds: boolean;
  /** What was counted, or what is wrong. */
  detail: string;
}

/** What a caller knows and the evidence cannot tell. */
export interface Expectations {
  /** Dead letters per durable, when poison was injected. */
  deadLetters?: Record<string, number>;
  /** Ids of every order that was accepted, when the caller kept count. */
  accepted?: readonly string[];
}

const euros = (cents: number): string => (cents / 100).toFixed(2);
const sum = (numbers: Iterable<number>): number => [...numbers].reduce((a, b) => a + b, 0);
const ENDINGS = ['orders.confirmed', 'orders.cancelled'] as const;
const ANSWERING = SERVICES.filter((name) =>
  ENDINGS.flatMap(answersTo).some((those) => those.service === name && !those.answers.some(undoneBy)),
);

/** Judges the evidence. Detail says what was counted; where a promise does not hold, the first few that break it. */
export function judge(evidence: Evidence, expected: Expectations = {}): Invariant[] {
  const told = SERVICES.some(isNotification) ? [notifications] : [];
  return [endings, answers, money, stock, ...told, rest, deadLetters, transitions, traces].map((invariant) =>
    invariant(evidence, expected),
  );
}

function judged(name: string, wrong: readonly string[], fine: string): Invariant {
  const more = wrong.length > 5 ? ` and ${wrong.length - 5} more` : '';
  return {
    name,
    holds: wrong.length === 0,
    detail: wrong.length === 0 ? fine : `${wrong.slice(0, 5).join('; ')}${more}`,
  };
}

function endings({ orders, elsewhere }: Evidence, { accepted = [] }: Expectations): Invariant {
  const known = new Set(orders.map(({ id }) => id));
  return judged(
    'every accepted order has ended, once',
    [
      ...orders.filter(({ status }) => status === 'pending').map(({ id }) => `order ${id} is still pending`),
      ...accepted.filter((id) => !known.has(id)).map((id) => `order ${id} was accepted and is lost`),
      ...elsewhere
        .filter(({ orderId }) => !known.has(orderId))
        .map(({ service, orderId }) => `${service} knows order ${orderId}, which was never accepted`),
    ],
    `${orders.length} orders`,
  );
}

function answers({ orders, since }: Evidence): Invariant {
  const wasThere = (service: Service, endedAt: Date | null | undefined) => {
    const at = since[service];
    return at !== undefined && (!endedAt || at <= endedAt);
  };
  return judged(
    'every service that answers an ending did',
    orders.flatMap(({ id, status, history, endedAt }) =>
      status === 'pending'
        ? []
        : expectedAfter(`orders.${status}`, history)
            // What was undone, the ledger and the shelves tell better.
            .filter(([answer]) => undoneBy(answer!) === undefined && wasThere(sourceOf(answer!), endedAt))
            .map((some) => `order ${id} is ${status}, and nobody said ${some.join(' or ')}`),
    ),
    ANSWERING.length > 0 ? `${ANSWERING.join(', ')} answered` : 'none does',
  );
}

function money({ orders, ledger }: Evidence): Invariant {
  const charges = new Map(ledger.charges.map((charge) => [charge.key, charge]));
  const known = new Set(orders.map(({ id }) => id));
  const kept = sum(ledger.charges.map(({ amount, captures, refunded }) => amount * captures - refunded));
  const due = sum(orders.filter(({ status }) => status === 'confirmed').map(({ amount }) => amount));
  const wrong = orders.flatMap(({ id, status, amount }) => {
    const charge = charges.get(id);
    const keeps = charge ? charge.amount * charge.captures - charge.refunded : 0;
    const should = status === 'confirmed' ? amount : 0;
    return keeps === should || status === 'pending'
      ? []
      : [`order ${id} (${status}) keeps ${euros(keeps)} instead of ${euros(should)}`];
  });
  return judged(
    'the provider keeps exactly what confirmed orders cost',
    [
      ...ledger.charges
        .filter(({ captures }) => captures > 1)
        .map(({ key, captures }) => `order ${key} was captured ${captures} times`),
      ...ledger.charges
        .filter(({ key, captures }) => captures > 0 && !known.has(key))
        .map(({ key }) => `money was captured for unknown order ${key}`),
      ...wrong,
    ],
    `${euros(kept)} kept, ${euros(due)} due, ${euros(sum(ledger.charges.map(({ refunded }) => refunded)))} refunded`,
  );
}

function stock({ stock: skus, orders }: Evidence): Invariant {
  const sold = new Map<string, number>();
  for (const { sku, quantity } of orders.filter(({ status }) => status === 'confirmed').flatMap(({ items }) => items))
    sold.set(sku, (sold.get(sku) ?? 0) + quantity);
  return judged(
    'stock adds up, and what was sold is what was confirmed',
    skus.flatMap((s) => [
      ...(s.available + s.reserved + s.sold === s.initial
        ? []
        : [`${s.sku}: ${s.available} available + ${s.reserved} reserved + ${s.sold} sold is not ${s.initial}`]),
      ...(Math.min(s.available, s.reserved, s.sold) < 0 ? [`${s.sku} is negative`] : []),
      ...(s.reserved === 0 ? [] : [`${s.sku} has ${s.reserved} reserved at rest`]),
      ...(s.sold === (sold.get(s.sku) ?? 0) ? [] : [`${s.sku}: ${s.sold} sold, but ${sold.get(s.sku) ?? 0} confirmed`]),
    ]),
    `${skus.length} products, ${sum(skus.map((s) => s.sold))} pieces sold`,
  );
}

function notifications({ orders, notifications: recorded, mails }: Evidence): Invariant {
  const status = new Map(recorded.map((n) => [n.messageId, n.status]));
  const expected = new Set(
    orders.filter((o) => o.status !== 'pending').map(({ id, status: outcome }) => `<${id}.${outcome}@pavane.example>`),
  );
  const sent = new Set([...mails.keys()].map((id) => (id.startsWith('<') ? id : `<${id}>`)));
  return judged(
    'one distinct notification for each ended order',
    [
      ...[...expected].filter((id) => !status.has(id)).map((id) => `${id} was never recorded`),
      ...[...expected]
        .filter((id) => status.get(id) === 'sent' && !sent.has(id))
        .map((id) => `${id} is recorded as sent and not in the mail sink`),
      ...[...status.keys()]
        .filter((id) => !expected.has(id))
        .map((id) => `${id} is recorded, and no order explains it`),
      ...[...sent].filter((id) => !expected.has(id)).map((id) => `the mail sink has ${id}, which no order explains`),
    ],
    `${sent.size} distinct mails, ${recorded.filter((n) => n.status !== 'sent').length} suppressed or refused`,
  );
}

function rest({ outboxes, streamMessages, parked, consumers }: Evidence): Invariant {
  return judged(
    'at rest nothing waits anywhere',
    [
      ...outboxes
        .filter((o) => o.unpublished > 0)
        .map((o) => `${o.unpublished} unpublished in the outbox of ${o.service}`),
      ...outboxes
        .filter((o) => o.quarantined > 0)
        .map((o) => `${o.quarantined} quarantined in the outbox of ${o.service}`),
      ...(streamMessages > 0 ? [`${streamMessages} messages in SAGA`] : []),
      ...(parked > 0 ? [`${parked} messages in the waiting room (npm run dlq -- waiting)`] : []),
      ...consumers
        .filter((c) => c.pending + c.unacked > 0)
        .map((c) => `${c.durable}: ${c.pending} pending, ${c.unacked} unacknowledged`),
    ],
    `${outboxes.length} outboxes, SAGA, the waiting room and ${consumers.length} consumers empty`,
  );
}

function deadLetters({ deadLetters: letters }: Evidence, { deadLetters: expected = {} }: Expectations): Invariant {
  const counted = new Map<string, number>();
  for (const { durable } of letters) counted.set(durable, (counted.get(durable) ?? 0) + 1);
  const all = new Set([...counted.keys(), ...Object.keys(expected)]);
  return judged(
    'dead letters are the poison that was injected',
    [
      ...[...all]
        .filter((d) => (counted.get(d) ?? 0) !== (expected[d] ?? 0))
        .map(
          (d) =>
            `${d} has ${counted.get(d) ?? 0} dead letters instead of ${expected[d] ?? 0} (${letters.find((l) => l.durable === d)?.reason ?? ''})`,
        ),
      ...letters.filter(({ reason }) => !reason).map(({ durable }) => `a dead letter of ${durable} carries no reason`),
    ],
    `${letters.length} dead letters`,
  );
}

function transitions({ orders }: Evidence): Invariant {
  return judged(
    'every order went through legal transitions only',
    orders.flatMap(({ id, status, reason, version, history }) => {
      const ends = history.filter((event) => ENDINGS.some((ending) => ending === event));
      const should = status === 'pending' ? [] : [`orders.${status}`];
      return [
        ...(history.length === version ? [] : [`order ${id} is at version ${version} with ${history.length} entries`]),
        ...(history[0] === 'orders.created' ? [] : [`order ${id} begins with ${history[0]}`]),
        ...(ends.join() === should.join()
          ? []
          : [`order ${id} is ${status}, but its endings are [${ends.join(', ')}]`]),
        ...((status === 'cancelled') === (reason !== null) ? [] : [`order ${id} is ${status} with reason ${reason}`]),
        ...(status !== 'confirmed' || (history.includes('payments.completed') && history.includes('inventory.reserved'))
          ? []
          : [`order ${id} was confirmed unpaid or unreserved`]),
      ];
    }),
    `${sum(orders.map(({ history }) => history.length))} entries in ${orders.length} histories`,
  );
}

function traces({ orders, traces: seen }: Evidence): Invariant {
  const kept = orders.filter(({ id }) => seen.has(id));
  return judged(
    'one order is one trace',
    kept.flatMap(({ id }) => {
      const ids = [...seen.get(id)!];
      return ids.length === 1 && ids[0] !== 'none' && ids[0] !== ''
        ? []
        : [`order ${id} is spread over the traces ${ids.join(', ')}`];
    }),
    `${kept.length} orders, ${new Set([...seen.values()].flatMap((ids) => [...ids])).size} traces`,
  );
}
