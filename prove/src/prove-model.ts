import { modelCommand } from './model/report.js';
import { writePage } from './report.js';

/** Runs the model with so many seeds. */
export async function proveModel({
  seed,
  runs,
}: {
  seed: number;
  runs: number;
}): Promise<{ ok: boolean; report: object }> {
  const started = performance.now();
  let told = started;
  const { text, page, ...report } = modelCommand({
    runs,
    seed,
    onProgress(done, failures) {
      const now = performance.now();
      if (now - told < 2000) return;
      told = now;
      const left = Math.ceil((((now - started) / done) * (runs - done)) / 1000);
      console.error(`  … ${done} of ${runs} seeds, ${failures} violations (about ${left} s left)`);
    },
  });
  console.error(text);
  if (runs >= 10_000) writePage('model', page);
  return { ok: report.ok, report };
}
