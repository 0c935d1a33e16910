import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@pavane/testing/servers';
import { main } from './cli/command.js';
import { printed } from './cli/progress.js';
import { reportOf } from './cli/report.js';
import { LocalPlatform } from './local/platform.js';
import { localSettings, type PortName, ROOT, SERVICES } from './local/settings.js';
import { Clients } from './prove/clients.js';
import { type Cell, cellsOf, crashEverywhere, holdReservations, seamsFile } from './prove/matrix.js';
import { audit } from './verify/audit.js';

await main({
  usage: 'npm run prove -- [--only POINT] [--json]',
  about:
    'Kills every service at every seam between two effects (SIGKILL), while customers keep ordering, and audits money, stock, mail and streams. A platform of its own; some minutes.',
  options: { only: { type: 'string' }, json: { type: 'boolean' } },
  help: {
    '--only POINT': 'only seams whose name contains this, e.g. committed or payment_orders-created',
    '--json': 'print one JSON object as the last line',
  },
  async run({ only, json }) {
    const dir = mkdtempSync(join(tmpdir(), 'pavane-prove-'));
    const settings = { ...localSettings(), dir, orderDeadline: '4s', slowChargeMs: 6000 };
    for (const port of Object.keys(settings.ports) as PortName[]) settings.ports[port] = await freePort();
    for (const service of SERVICES) settings.env[service] = { SEAMS_FILE: seamsFile(dir, service) };
    const platform = await LocalPlatform.start(settings, { progress: printed, injectable: true });
    const clients = new Clients(platform.addresses.http.order);
    try {
      await printed('orders that reach every seam', async () => {
        for (const heldMs of [0, 5000]) {
          if (heldMs > 0) await holdReservations(platform, heldMs);
          clients.send(14);
          await clients.settled();
          const { ok, invariants } = await audit(platform.addresses, { withinMs: 60_000 });
          const broken = invariants.filter(({ holds }) => !holds).map(({ detail }) => detail);
          if (!ok) throw new Error(`the platform does not hold before anything is killed: ${broken.join('; ')}`);
        }
      });
      const cells = cellsOf(dir).filter(
        ({ service, point, of }) => !only || `${service} ${point} ${of}`.includes(only),
      );
      const started = performance.now();
      let done = 0;
      await crashEverywhere(platform, clients, cells, (cell) => {
        done++;
        const left = ((performance.now() - started) / done) * (cells.length - done);
        console.error(
          `  ${cell.recoveredInMs === undefined ? '–' : '†'} ${`${done}/${cells.length}`.padStart(7)}  ${cell.service.padEnd(12)} ${cell.point.padEnd(18)} ${cell.of.padEnd(32)} ${cell.recoveredInMs === undefined ? 'not reached' : `ready again after ${cell.recoveredInMs} ms`}  (${Math.ceil(left / 1000)} s left)`,
        );
      });
      await printed('what was unknown is settled', () => clients.settled());
      const verdict = await printed('audit', () =>
        audit(platform.addresses, { withinMs: 90_000, accepted: clients.accepted }),
      );
      const kills = cells.filter(({ recoveredInMs }) => recoveredInMs !== undefined).length;
      const skipped = cells.filter(({ recoveredInMs }) => recoveredInMs === undefined);
      const ok = verdict.ok && skipped.length === 0;
      const violations = verdict.invariants.filter(({ holds }) => !holds).length;
      write(cells, verdict.invariants);
      console.error(reportOf(verdict));
      console.error(
        `  ${kills} kills at ${cells.length} seams, ${clients.accepted.length} orders accepted, ${violations} violations`,
      );
      if (json)
        console.log(
          JSON.stringify({
            ok,
            kills,
            faults: 0,
            orders: clients.accepted.length,
            violations,
            skipped: skipped.map(({ service, point, of }) => `${service} ${point} ${of}`),
            invariants: verdict.invariants,
          }),
        );
      return ok ? 0 : 1;
    } finally {
      await platform.stop(printed);
      rmSync(dir, { recursive: true, force: true });
    }
  },
});

/** The results table: service × seam. */
function write(cells: readonly Cell[], invariants: readonly { name: string; holds: boolean; detail: string }[]): void {
  const dir = join(ROOT, 'prove/results');
  mkdirSync(dir, { recursive: true });
  const points = [...new Set(cells.map(({ point }) => point))];
  const rows = [...Map.groupBy(cells, ({ service, of }) => `${service} | ${of}`)].map(
    ([name, some]) =>
      `| ${name} | ${points
        .map((point) => {
          const cell = some.find((one) => one.point === point);
          return cell ? (cell.recoveredInMs === undefined ? 'not reached' : `${cell.recoveredInMs} ms`) : '';
        })
        .join(' | ')} |`,
  );
  writeFileSync(
    join(dir, 'crash-matrix.md'),
    `# Crash matrix\n\nWritten by \`npm run prove\`. Each cell is a SIGKILL at that seam, and the time until the service was ready again.\n\n| service | of | ${points.join(' | ')} |\n|---|---|${points.map(() => '---:').join('|')}|\n${rows.join('\n')}\n\n| invariant | holds | |\n|---|---|---|\n${invariants.map(({ name, holds, detail }) => `| ${name} | ${holds ? 'yes' : 'NO'} | ${detail} |`).join('\n')}\n`,
  );
}
