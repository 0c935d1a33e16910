import { createHash } from 'node:crypto';
import PostalMime from 'postal-mime';
import { SMTPServer, type SMTPServerDataStream, type SMTPServerSession } from 'smtp-server';
import { listen, type Listening } from '../http.js';
import type { Journal } from '../journal.js';
import type { FaultInjector } from './faults.js';
import { bare, type Entry } from './mailbox.js';

export interface SmtpServer {
  readonly port: number;
  /** Takes no new message, resolves when those under way are answered, and hangs up on idle clients. */
  close(): Promise<void>;
}

/** Addresses at this domain do not exist. */
const BOUNCING_DOMAIN = '@bounce.example';
const SIZE_LIMIT = 1024 * 1024;

/** An SMTP server that keeps what it accepts in the journal; 250 is said after the message is on disk. */
export async function serveSmtp(
  journal: Journal<Entry>,
  faults: FaultInjector,
  { host = '127.0.0.1', port }: Listening,
): Promise<SmtpServer> {
  let closing = false;
  const underWay = new Set<Promise<void>>();
  const smtp = new SMTPServer({
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    logger: false,
    size: SIZE_LIMIT,
    closeTimeout: 10,
    onMailFrom: (_address, _session, done) => done(closing ? reply(421, 'Closing down') : null),
    onRcptTo: ({ address }, _session, done) => {
      const wanted = address.toLowerCase();
      const unknown = wanted.endsWith(BOUNCING_DOMAIN) || faults.refuses(wanted);
      done(unknown ? reply(550, `No such mailbox: ${address}`) : null);
    },
    onData: (stream, session, done) => {
      const work = conclude(stream, session, done);
      underWay.add(work);
      void work.finally(() => underWay.delete(work));
    },
  });
  // Clients that go away mid-sentence are no event here.
  smtp.on('error', () => undefined);

  async function receive(
    stream: SMTPServerDataStream,
    { envelope }: SMTPServerSession,
  ): Promise<'accepted' | 'later' | 'unanswered'> {
    const chunks: Buffer[] = [];
    for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
    if (!(await faults.admit())) return 'unanswered';
    if (faults.takeTempfail()) return 'later';
    const raw = Buffer.concat(chunks);
    const mail = await PostalMime.parse(raw);
    journal.append({
      type: 'delivered',
      messageId: bare(mail.messageId ?? `no-id-${createHash('sha256').update(raw).digest('hex')}`),
      from: envelope.mailFrom ? envelope.mailFrom.address : '',
      to: envelope.rcptTo.map(({ address }) => address.toLowerCase()),
      subject: mail.subject ?? '',
      text: mail.text ?? '',
      at: new Date().toISOString(),
    });
    await journal.durable();
    return 'accepted';
  }

  async function conclude(
    stream: SMTPServerDataStream,
    session: SMTPServerSession,
    done: (error?: Error | null, message?: string) => void,
  ): Promise<void> {
    try {
      const outcome = await receive(stream, session);
      if (outcome === 'accepted') done(null, 'Kept');
      else if (outcome === 'later') done(reply(451, 'Try again later'));
      else hangUp(session.id);
    } catch (error) {
      console.error('A message was not kept', error);
      done(reply(451, 'Local error'));
    }
  }

  function hangUp(sessionId: string): void {
    for (const connection of smtp.connections) if (connection.id === sessionId) connection.close();
  }

  return {
    port: await listen(smtp.server, host, port),
    close: async () => {
      closing = true;
      await Promise.all(underWay);
      await new Promise<void>((resolve) => smtp.close(resolve));
    },
  };
}

function reply(responseCode: number, message: string): Error {
  return Object.assign(new Error(message), { responseCode });
}
