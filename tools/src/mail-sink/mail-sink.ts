import { type Call, type HttpServer, type Listening, Refused, serveHttp } from '../http.js';
import { Journal } from '../journal.js';
import { FaultInjector } from './faults.js';
import { type Entry, Mailbox } from './mailbox.js';
import { serveSmtp } from './smtp.js';

export interface MailSinkOptions {
  /** Default 127.0.0.1. */
  host?: string;
  smtpPort: number;
  httpPort: number;
  /** File that the accepted mail survives a restart in. Default: it does not. */
  stateFile?: string;
}

export interface MailSink {
  readonly smtpPort: number;
  /** Of the HTTP side, where the mail is read. */
  readonly url: string;
  close(): Promise<void>;
}

const PAGE = 100;

/** A mail server that delivers nowhere: what it accepts by SMTP is counted by Message-ID and read by HTTP. */
export async function startMailSink({ host, smtpPort, httpPort, stateFile }: MailSinkOptions): Promise<MailSink> {
  const mailbox = new Mailbox();
  const journal = await Journal.open<Entry>(stateFile, (entry) => mailbox.apply(entry));
  const faults = new FaultInjector();
  const at = (port: number): Listening => ({ port, ...(host !== undefined && { host }) });
  const smtp = await serveSmtp(journal, faults, at(smtpPort));
  const http: HttpServer = await serveHttp(
    {
      'GET /messages': async (call) => {
        const page = mailbox.find(queryOf(call));
        await journal.durable();
        return { status: 200, body: page };
      },
      'GET /messages/:id': async ({ params }) => {
        const message = mailbox.get(params['id'] ?? '');
        if (!message) throw new Refused(404, { error: 'no message has this Message-ID' });
        await journal.durable();
        return { status: 200, body: message };
      },
      'GET /counts': async () => {
        const counts = mailbox.counts();
        await journal.durable();
        return { status: 200, body: counts };
      },
      'DELETE /messages': async () => {
        journal.append({ type: 'cleared' });
        await journal.durable();
        return { status: 204 };
      },
      'GET /faults': () => ({ status: 200, body: faults.current() }),
      'POST /faults': ({ body }) => ({ status: 200, body: faults.set(body) }),
      'DELETE /faults': () => {
        faults.clear();
        return { status: 204 };
      },
      'GET /health': async () => {
        await journal.durable();
        return { status: 200, body: { status: 'ok' } };
      },
    },
    at(httpPort),
  ).catch(async (error: unknown) => {
    await smtp.close();
    throw error;
  });
  return {
    smtpPort: smtp.port,
    url: http.url,
    close: async () => {
      faults.clear();
      await Promise.all([smtp.close(), http.close()]);
      await journal.close();
    },
  };
}

function queryOf({ query }: Call): Parameters<Mailbox['find']>[0] {
  const recipient = query.get('recipient');
  const messageId = query.get('messageId');
  return {
    ...(recipient !== null && { recipient }),
    ...(messageId !== null && { messageId }),
    limit: whole(query, 'limit', PAGE),
    offset: whole(query, 'offset', 0),
  };
}

function whole(query: URLSearchParams, name: string, fallback: number): number {
  const value = query.get(name);
  if (value === null) return fallback;
  if (!/^\d{1,9}$/.test(value)) throw new Refused(400, { error: `${name} must be a whole number of at least 0` });
  return Number(value);
}
