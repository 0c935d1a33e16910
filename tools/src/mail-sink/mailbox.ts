/** What was accepted, in order. */
export type Entry =
  | { type: 'delivered'; messageId: string; from: string; to: string[]; subject: string; text: string; at: string }
  | { type: 'cleared' };

export interface Message {
  /** Without its angle brackets. */
  messageId: string;
  from: string;
  /** Everybody it was accepted for. */
  to: string[];
  subject: string;
  text: string;
  /** When it was first accepted. */
  at: string;
  /** How often a message with this id was accepted. */
  deliveries: number;
}

export interface Query {
  recipient?: string;
  messageId?: string;
  limit: number;
  offset: number;
}

/** Accepted mail by Message-ID: the same id again is the same message, delivered once more. */
export class Mailbox {
  private readonly messages = new Map<string, Message>();

  apply(entry: Entry): void {
    if (entry.type === 'cleared') {
      this.messages.clear();
      return;
    }
    const { type: _, ...message } = entry;
    const known = this.messages.get(message.messageId);
    if (known === undefined) {
      this.messages.set(message.messageId, { ...message, deliveries: 1 });
      return;
    }
    known.deliveries++;
    known.to = [...new Set([...known.to, ...message.to])];
  }

  get(messageId: string): Message | undefined {
    return this.messages.get(bare(messageId));
  }

  /** One page, newest first, and over all that match: how many deliveries and how many distinct Message-IDs. */
  find({ recipient, messageId, limit, offset }: Query): { total: number; distinct: number; messages: Message[] } {
    const address = recipient?.toLowerCase();
    const found = [...this.messages.values()].filter(
      (message) =>
        (address === undefined || message.to.includes(address)) &&
        (messageId === undefined || message.messageId === bare(messageId)),
    );
    const total = found.reduce((sum, message) => sum + message.deliveries, 0);
    return { total, distinct: found.length, messages: found.toReversed().slice(offset, offset + limit) };
  }

  /** Deliveries by Message-ID. */
  counts(): Record<string, number> {
    return Object.fromEntries([...this.messages].map(([id, { deliveries }]) => [id, deliveries]));
  }
}

export function bare(messageId: string): string {
  return messageId.trim().replace(/^<(.*)>$/, '$1');
}
