import { heardBy, type EventType, saga, type Service, services, sourceOf } from '@pavane/contracts';
import { SERVICES } from '@pavane/tools';
import type { Scene } from './scene.js';

/** Services that publish only what events ask of them. */
const ANSWERING = SERVICES.filter((service) => {
  const isAskedByHttp = Object.keys(saga[service]).some((input) => input.includes(' '));
  return !isAskedByHttp && !services[service].publishesUnasked;
});

/**
 * What was answered more often than it was asked, counted in the outboxes: an event that was handled twice, which nothing
 * else need show, because every listener tolerates repetitions.
 */
export async function answeredTooOften(scene: Scene): Promise<string[]> {
  const said = new Map<string, number>();
  await Promise.all(
    SERVICES.map(async (service) => {
      const rows = await scene.sql<{ orderId: string; event: string; n: number }>(
        service,
        `SELECT aggregate_id AS "orderId", substring(subject FROM '^[^.]+[.][^.]+') AS event, count(*)::int AS n
         FROM messaging.outbox GROUP BY 1, 2`,
      );
      for (const { orderId, event, n } of rows) said.set(`${event} ${orderId}`, n);
    }),
  );
  const orderIds = new Set([...said.keys()].map((key) => key.split(' ')[1]!));
  const times = (events: readonly string[], orderId: string) =>
    events.reduce((sum, event) => sum + (said.get(`${event} ${orderId}`) ?? 0), 0);
  return ANSWERING.flatMap((service) =>
    questionsOf(service).flatMap(([answers, questions]) =>
      [...orderIds]
        .filter((orderId) => times(answers, orderId) > times(questions, orderId))
        .map((orderId) => `${service} answered more often than asked: ${answers.join(' or ')} of order ${orderId}`),
    ),
  );
}

/** The answers of a service, each with the questions that allow it. */
function questionsOf(service: Service): [answers: string[], questions: EventType[]][] {
  const table = saga[service] as Record<string, readonly string[]>;
  const asked = heardBy(service).filter((event) => table[event]!.length > 0 && sourceOf(event) !== service);
  return [...Map.groupBy(asked, (event) => table[event]!.join(' '))].map(([answers, questions]) => [
    answers.split(' '),
    questions,
  ]);
}
