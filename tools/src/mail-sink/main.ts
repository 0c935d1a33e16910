import { integerFrom, runServer } from '../process.js';
import { startMailSink } from './mail-sink.js';

await runServer(async () => {
  const { env } = process;
  const sink = await startMailSink({
    host: env['HOST'] || '127.0.0.1',
    smtpPort: integerFrom(env, 'SMTP_PORT', 2525),
    httpPort: integerFrom(env, 'PORT', 8025),
    ...(env['STATE_FILE'] && { stateFile: env['STATE_FILE'] }),
  });
  const greeting = `Mail sink takes SMTP on port ${sink.smtpPort} and shows mail on ${sink.url}/messages`;
  return { greeting, close: () => sink.close() };
});
