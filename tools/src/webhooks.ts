import { createHmac } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';

export interface WebhookOptions {
  /** Where notices go. */
  url: string;
  /** What they are signed with. */
  secret: string;
}

const TRIES = 6;
const FIRST_PAUSE_MS = 200;
const TIMEOUT_MS = 2000;

/**
 * Tells a merchant of what has happened: signed, tried again a few times with longer and longer pauses, and given up.
 * Kept in memory only, so a restart forgets what was not delivered; a merchant has to ask as well.
 */
export class Webhooks {
  readonly #closing = new AbortController();

  constructor(
    private readonly header: string,
    private readonly options: WebhookOptions | undefined,
  ) {}

  send(notice: object): void {
    if (this.options) void this.#deliver(this.options, JSON.stringify(notice));
  }

  close(): void {
    this.#closing.abort();
  }

  async #deliver({ url, secret }: WebhookOptions, body: string): Promise<void> {
    for (let pauseMs = FIRST_PAUSE_MS, tries = 0; tries < TRIES && !this.#closing.signal.aborted; tries++) {
      const headers = { 'content-type': 'application/json', [this.header]: signatureOf(body, secret) };
      const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(TIMEOUT_MS)]);
      const response = await fetch(url, { method: 'POST', headers, body, signal }).catch(() => undefined);
      if (response?.ok) return;
      await pause(pauseMs, undefined, { signal: this.#closing.signal, ref: false }).catch(() => undefined);
      pauseMs *= 3;
    }
  }
}

/** `t=<seconds>,v1=<HMAC-SHA256 of "<seconds>.<body>">` */
export function signatureOf(body: string, secret: string, seconds = Math.floor(Date.now() / 1000)): string {
  return `t=${seconds},v1=${createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')}`;
}
