/** What `register` leaves behind for the rest of the process. */
export interface Telemetry {
  render: () => Promise<string>;
  shutdown: () => Promise<void>;
}

let running: Telemetry | undefined;

/** Called once by `register`; the other functions of this file work without it. */
export function install(telemetry: Telemetry): void {
  running = telemetry;
}

/**
 * Every metric of the process in Prometheus text format, read now. Without `register` (unit tests, scripts) it is a
 * single comment line, which scrapers accept.
 */
export async function renderMetrics(): Promise<string> {
  return running
    ? running.render()
    : '# telemetry was not started: run node with --import @pavane/telemetry/register\n';
}

/** Sends what is buffered and stops the SDK. Never rejects, may be called twice, and does nothing without `register`. */
export async function shutdownTelemetry(): Promise<void> {
  const telemetry = running;
  running = undefined;
  await telemetry?.shutdown().catch(() => undefined);
}
