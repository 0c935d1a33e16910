import { deepStrictEqual, match, throws } from 'node:assert/strict';

/** The pure part of a service, as far as a specification needs it. */
export interface PureRules<State, M extends { readonly orderId: string }, F> {
  initial(aggregateId: string): State;
  decide(message: M, state: State, now: Date): readonly F[];
  evolve(state: State, fact: F, orderId: string): State;
}

/**
 * Specifies business rules: `given(rules, id).after(…messages).when(message).then(…facts)`. Every step gives a new
 * scenario, so that a beginning can be shared. Fails with a diff of the facts.
 */
export const given = <State, M extends { readonly orderId: string }, F>(
  rules: PureRules<State, M, F>,
  aggregateId: string,
): Scenario<State, M, F> => new Scenario(rules, rules.initial(aggregateId), new Date());

/** What has happened so far. */
export class Scenario<State, M extends { readonly orderId: string }, F> {
  constructor(
    private readonly rules: PureRules<State, M, F>,
    /** What came of it. */
    readonly state: State,
    private readonly now: Date,
  ) {}

  /** The same, at another time. */
  at(now: Date): Scenario<State, M, F> {
    return new Scenario(this.rules, this.state, now);
  }

  /** Begins with this state instead. */
  from(state: State): Scenario<State, M, F> {
    return new Scenario(this.rules, state, this.now);
  }

  /** These messages were heard, one after the other. */
  after(...messages: M[]): Scenario<State, M, F> {
    const { decide, evolve } = this.rules;
    const state = messages.reduce(
      (before, message) =>
        decide(message, before, this.now).reduce((s, fact) => evolve(s, fact, message.orderId), before),
      this.state,
    );
    return new Scenario(this.rules, state, this.now);
  }

  /** Now this message is heard. */
  when(message: M): Consequence<State, F> {
    return new Consequence(() => {
      const facts = this.rules.decide(message, this.state, this.now);
      return {
        facts,
        state: facts.reduce((s, fact) => this.rules.evolve(s, fact, message.orderId), this.state),
      };
    });
  }
}

/** What follows from a message. */
export class Consequence<State, F> {
  constructor(private readonly decided: () => { facts: readonly F[]; state: State }) {}

  /** The facts that follow, in order and with everything they carry. */
  get facts(): readonly F[] {
    return this.decided().facts;
  }

  /** The state they lead to. */
  get state(): State {
    return this.decided().state;
  }

  /** Exactly these facts follow, and the state takes them. */
  // oxlint-disable-next-line unicorn/no-thenable -- reads as a sentence, and nobody awaits a sentence
  then(...facts: F[]): void {
    deepStrictEqual([...this.facts], facts);
  }

  thenNothing(): void {
    this.then();
  }

  /** The message breaks a rule: deciding on it, or what would follow, throws an error that says so. */
  thenThrows(message: RegExp): void {
    throws(this.decided, (error: Error) => (match(error.message, message), true));
  }
}
