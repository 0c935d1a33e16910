import { RetryLater } from '@pavane/jetstream';
import type { Result } from '@pavane/notification/rules';
import type { Chance } from './scenario.js';
import type { Work } from './work.js';

/** The mail server: what it took, counted by Message-ID. */
export class MailServer {
  readonly taken = new Map<string, number>();

  constructor(private readonly chance: Chance) {}

  *send(messageId: string, refusesRecipient: boolean): Work<Result> {
    yield 'sending';
    if (this.chance.strikes()) throw new RetryLater('the mail server is away');
    if (refusesRecipient) return { status: 'failed', detail: '550 no such mailbox' };
    this.taken.set(messageId, (this.taken.get(messageId) ?? 0) + 1);
    // It took the mail, and its 250 never came.
    if (this.chance.strikes()) throw new RetryLater('the mail server is away');
    yield 'accepted';
    return { status: 'sent' };
  }
}
