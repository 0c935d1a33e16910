import { setTimeout } from 'node:timers/promises';
import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { RetryLater } from '@pavane/jetstream';
import { createTransport } from 'nodemailer';
import { NotificationConfig } from './notification.config.js';
import type { Mail } from './notification.mail.js';
import type { Result } from './notification.js';

/**
 * Waits between tries for a recipient who is put off (4xx): a busy mailbox must not pause the mail of everybody else, as
 * `RetryLater` does.
 */
const PAUSES_MS = [1_000, 2_000];

/** Sends mail over SMTP. */
@Injectable()
export class Mailer implements OnModuleDestroy {
  readonly #transport;

  constructor(private readonly config: NotificationConfig) {
    this.#transport = createTransport({
      url: config.SMTP_URL,
      pool: true,
      maxConnections: 5,
      connectionTimeout: config.SMTP_TIMEOUT,
      greetingTimeout: config.SMTP_TIMEOUT,
      socketTimeout: config.SMTP_TIMEOUT,
    });
  }

  /**
   * Resolves when the server has taken the mail or refused this mail or its recipient for good; rejects with
   * `RetryLater` while it does neither: it is away, refuses this service, or has put the recipient off several times.
   */
  async send(mail: Mail): Promise<Result> {
    for (let attempt = 0; ; attempt++) {
      try {
        await this.#transport.sendMail({ from: this.config.MAIL_FROM, ...mail });
        return { status: 'sent' };
      } catch (error) {
        const { message } = error as Error;
        const verdict = verdictOf(error as SmtpError);
        if (verdict === 'refused') return { status: 'failed', detail: message };
        const pause = verdict === 'put off' ? PAUSES_MS[attempt] : undefined;
        // The mail may be sent again under the same Message-ID.
        if (pause === undefined) throw new RetryLater(`the mail server is away: ${message}`, { cause: error });
        await setTimeout(pause);
      }
    }
  }

  onModuleDestroy(): void {
    this.#transport.close();
  }
}

type SmtpError = Error & { code?: string; command?: string; responseCode?: number };

/** What an error says about this one mail; undefined when it is about the server, or about this service at its door. */
function verdictOf({ code, command, responseCode = 0, message }: SmtpError): 'refused' | 'put off' | undefined {
  // Nodemailer itself finds the address no address; it would find so for ever.
  if (code === 'EENVELOPE' && command === 'API' && /recipient/i.test(message)) return 'refused';
  const isAboutMail = (code === 'EENVELOPE' || code === 'EMESSAGE') && (command === 'RCPT TO' || command === 'DATA');
  // 421: the server is closing; 503: the session lost its place; 530: it wants a login. Neither judges the mail.
  if (!isAboutMail || [421, 503, 530].includes(responseCode)) return undefined;
  if (responseCode >= 500) return 'refused';
  return responseCode >= 400 ? 'put off' : undefined;
}
