import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { RUN_FROM_SOURCE } from '@pavane/testing';

const MAIN = fileURLToPath(new URL('./fixtures/traced.main.ts', import.meta.url));
const REGISTER = ['--import', '@pavane/telemetry/register'];
const TRACE = '0af7651916cd43dd8448eb211c80319c';
const TRACEPARENT = `00-${TRACE}-b7ad6b7169203331-01`;

describe('without a collector', () => {
  it('every request has a trace of its own, which is passed on but not recorded', async () => {
    const { seen } = await run(REGISTER);
    expect(seen.traceId).toMatch(/^[0-9a-f]{32}$/);
    expect(seen.carrier['traceparent']).toMatch(new RegExp(`^00-${seen.traceId}-[0-9a-f]{16}-00$`));
  });

  it("a caller's trace is continued", async () => {
    const { seen } = await run(REGISTER, { TRACEPARENT });
    expect(seen.traceId).toBe(TRACE);
    expect(seen.carrier['traceparent']).toContain(TRACE);
  });

  it('requests and the process are measured', async () => {
    const { metrics, service } = await run(REGISTER);
    expect(service).toBe('telemetry');
    expect(metrics).toContain('target_info{service_name="telemetry"');
    expect(metrics).toMatch(
      /http_server_request_duration_seconds_count\{method="GET",route="unmatched",status="200"\} 1/,
    );
    for (const name of [
      'process_resident_memory_bytes',
      'process_cpu_seconds_total',
      'nodejs_eventloop_lag_p99_seconds',
    ]) {
      expect(metrics).toContain(`\n${name} `);
    }
  });
});

describe('with a collector', () => {
  it('spans are sent before the process ends, under the name of the service', async () => {
    const received: { path: string; body: string }[] = [];
    const collector = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        received.push({ path: request.url ?? '', body: Buffer.concat(chunks).toString('latin1') });
        response.end();
      });
    });
    collector.listen(0, '127.0.0.1');
    await once(collector, 'listening');
    const { port } = collector.address() as AddressInfo;
    try {
      const { seen, metrics } = await run(REGISTER, {
        TRACEPARENT,
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
        OTEL_SERVICE_NAME: 'fixture',
      });
      expect(seen.traceId).toBe(TRACE);
      expect(metrics.match(/^# TYPE http_server_request_duration/gm)).toHaveLength(1);
      expect(received.map((request) => request.path)).toEqual(['/v1/traces']);
      for (const text of ['fixture', 'work', 'GET']) expect(received[0]!.body).toContain(text);
    } finally {
      collector.close();
    }
  });
});

describe('not registered, or disabled', () => {
  it.each([
    ['not registered', [], {}],
    ['disabled', REGISTER, { OTEL_SDK_DISABLED: 'true' }],
  ])('%s: nothing is traced or measured and nothing fails', async (_how, args, env) => {
    const { seen, metrics } = await run(args, env);
    expect(seen).toEqual({ carrier: {} });
    expect(metrics).toMatch(/^# telemetry was not started/);
  });
});

interface Seen {
  service: string;
  seen: { traceId?: string; carrier: Record<string, string> };
  metrics: string;
}

async function run(args: string[], env: Record<string, string> = {}): Promise<Seen> {
  const { stdout } = await promisify(execFile)(process.execPath, [...RUN_FROM_SOURCE, ...args, MAIN], {
    env: { PATH: process.env['PATH'], ...env },
  });
  return JSON.parse(stdout) as Seen;
}
