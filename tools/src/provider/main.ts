import { integerFrom, runServer } from '../process.js';
import { startProvider } from './provider.js';

await runServer(async () => {
  const { env } = process;
  const provider = await startProvider({
    host: env['HOST'] || '127.0.0.1',
    port: integerFrom(env, 'PORT', 4010),
    slowChargeMs: integerFrom(env, 'SLOW_CHARGE_MS', 15_000),
    ...(env['STATE_FILE'] && { stateFile: env['STATE_FILE'] }),
    ...(env['SEED'] && { seed: env['SEED'] }),
    ...(env['API_KEY'] && { apiKey: env['API_KEY'] }),
    ...(env['WEBHOOK_URL'] && { webhook: { url: env['WEBHOOK_URL'], secret: env['WEBHOOK_SECRET'] ?? '' } }),
  });
  return { greeting: `Payment provider listens on ${provider.url}`, close: () => provider.close() };
});
