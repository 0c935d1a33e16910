import type { Evidence } from '@pavane/tools';
import { modelledDurables } from './modelled.js';
import type { Provider } from './provider.js';
import type { World } from './world.js';

/** What a run left behind, as the audit of a running platform reads it. */
export function evidenceOf({
  order,
  payment,
  inventory,
  notification,
  provider,
  mail,
  broker,
  services,
  scenario,
}: World): Evidence {
  return {
    orders: [...order.rows.values()].map(({ order: { id, status, reason, version, placed }, history }) => ({
      id,
      status,
      reason: reason ?? null,
      version,
      amount: placed!.total.amount,
      items: placed!.items,
      history,
    })),
    since: Object.fromEntries(services.map(({ participant: { service } }) => [service, new Date(0)])),
    elsewhere: [
      ...[...payment.rows.keys()].map((orderId) => ({ service: 'payment' as const, orderId })),
      ...[...inventory.warehouse.reservations.keys()].map((orderId) => ({ service: 'inventory' as const, orderId })),
      ...[...notification.rows.keys()].map((orderId) => ({ service: 'notification' as const, orderId })),
    ],
    ledger: { charges: chargesOf(provider) },
    stock: [...inventory.warehouse.stock].map(([sku, stock]) => ({ sku, initial: scenario.stock[sku]!, ...stock })),
    notifications: [...notification.rows.values()].map(({ orderId, outcome, result }) => ({
      messageId: `<${orderId}.${outcome}@pavane.example>`,
      status: result!.status,
    })),
    mails: mail.taken,
    outboxes: services.map(({ participant }) => ({
      service: participant.service,
      unpublished: participant.unpublished.size,
      quarantined: 0,
    })),
    parked: 0,
    streamMessages: broker.entries.length,
    consumers: modelledDurables.map(({ durable }) => ({
      durable,
      pending: broker.entries.filter((entry) => entry.durable === durable).length,
      unacked: 0,
    })),
    deadLetters: broker.deadLetters,
    traces: new Map(),
  };
}

/** By order, whatever key a charge was asked for with. */
function chargesOf({ accounts }: Provider): Evidence['ledger']['charges'] {
  const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);
  return [...Map.groupBy(accounts.values(), ({ orderId }) => orderId)].map(([key, some]) => ({
    key,
    amount: Math.max(...some.map(({ amount }) => amount)),
    captures: sum(some.map(({ captures }) => captures)),
    refunded: sum(some.map(({ refunded }) => refunded)),
  }));
}
