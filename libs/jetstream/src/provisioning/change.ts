/** One step from what NATS holds to what the topology says. Prints as one line. */
export class Change {
  constructor(
    readonly action: 'create' | 'update' | 'recreate' | 'leftover',
    /** e.g. `stream SAGA`, `consumer SAGA/payment_orders-created` */
    readonly target: string,
    readonly detail: string,
    /** Why this is not done unless forced. */
    readonly refused: string | undefined,
    /** Makes the change; absent when it is only reported. */
    readonly make: (() => Promise<unknown>) | undefined,
  ) {}

  toString(): string {
    const refused = this.refused ? ` — refused unless forced: ${this.refused}` : '';
    return `${this.action} ${this.target}${this.detail ? `: ${this.detail}` : ''}${refused}`;
  }
}
