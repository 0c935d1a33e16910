import { heardBy, saidBy, SERVICES } from '@pavane/contracts';

/** The saga as a Mermaid diagram: an arrow for each event from who says it to who hears it. */
export function diagram(): string {
  const arrows = SERVICES.flatMap((from) =>
    saidBy(from).flatMap((event) =>
      SERVICES.filter((to) => heardBy(to).includes(event)).map((to) => ({ from, to, event })),
    ),
  );
  const between = Map.groupBy(arrows, ({ from, to }) => `${from} ${to}`);
  return [
    '```mermaid',
    'flowchart LR',
    '  customer((customer)) -- "POST /orders<br/>POST /orders/:id/cancel" --> order',
    ...[...between.values()].map(
      (some) => `  ${some[0]!.from} -- "${some.map(({ event }) => event).join('<br/>')}" --> ${some[0]!.to}`,
    ),
    '```',
  ].join('\n');
}
