import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { RetryLater } from '@pavane/jetstream';
import { createTransport } from 'nodemailer';
import { NotificationConfig } from './notification.config.js';
import type { Mail } from './notification.mail.js';
import type { Result } from './notification.js';

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

  /** Resolves when the server has taken the mail or refused it for good; rejects with `RetryLater` while it is away. */
  async send(mail: Mail): Promise<Result> {
    try {
      await this.#transport.sendMail({ from: this.config.MAIL_FROM, ...mail });
      return { status: 'sent' };
    } catch (error) {
      const { responseCode, message } = error as Error & { responseCode?: number };
      if (responseCode && responseCode >= 500) return { status: 'failed', detail: message };
      // No answer, or "not now" (4xx): the mail may be sent again under the same Message-ID.
      throw new RetryLater(`the mail server is away: ${message}`, { cause: error });
    }
  }

  onModuleDestroy(): void {
    this.#transport.close();
  }
}
