import { type Event, type EventData, type EventType, undoneBy } from './events/index.js';
import { saga } from './saga.js';

type Saga = typeof saga;
export type Service = keyof Saga;
/** Every input of a service: the events it hears and the requests it answers. */
export type Input<S extends Service> = keyof Saga[S] & string;
/** The events a service hears: one durable consumer and one handler each. */
export type Heard<S extends Service> = Extract<Input<S>, EventType>;
/** The events a service may say on hearing `I`. */
export type Says<S extends Service, I extends Input<S>> = Extract<Saga[S][I], readonly EventType[]>[number];
/** The events a service hears and says nothing to. */
export type Unanswered<S extends Service> = {
  [T in Heard<S>]: Saga[S][T] extends readonly [] ? T : never;
}[Heard<S>];
/** Every event a service may say. */
export type SaysAny<S extends Service> = { [I in Input<S>]: Says<S, I> }[Input<S>];

type SaidByAnyone = { [S in Service]: SaysAny<S> }[Service];
type HeardByAnyone = { [S in Service]: Heard<S> }[Service];
type Complete<Missing, Problem extends string> = [Missing] extends [never] ? true : { [P in Problem]: Missing };
/** Compile errors here name the event that nobody hears, says, or has defined a payload for. */
export const complete: [
  Complete<Exclude<SaidByAnyone, HeardByAnyone>, 'said but heard by nobody'>,
  Complete<Exclude<HeardByAnyone, SaidByAnyone>, 'heard but said by nobody'>,
  Complete<Exclude<EventType, SaidByAnyone>, 'defined but said by nobody'>,
] = [true, true, true];

/** An input as the rules of a service see it: what happened, to which order, with what. */
export interface Message<T extends string = string, D = unknown> {
  readonly type: T;
  readonly orderId: string;
  readonly data: D;
}

/**
 * What a service's own commands (HTTP requests and answers of the outside world) carry, and for which input of the table
 * they speak, which licenses what they may say.
 */
export type Commands<S extends Service> = Record<string, { for: Input<S>; data: unknown }>;

/** Of a service that acts on events only. */
// oxlint-disable-next-line typescript/no-generated-empty-object-type -- no keys is what it says
export type NoCommands = Record<never, never>;

/** Every message the rules of a service decide on: each event it hears and each of its own commands. */
export type Messages<S extends Service, C extends Commands<S>> =
  | { [T in Heard<S>]: Message<T, EventData<T>> }[Heard<S>]
  | { [T in keyof C & string]: Message<T, C[T]['data']> }[keyof C & string];

/**
 * The decisions of a service, one pure function for each event it hears and each command of its own. An input of the table
 * without a decision, or an event the table does not license for it, is a compile error. `F` are the facts the service
 * keeps to itself; on the events `Otherwise` it need not decide one by one, since `decideBy` is given a decision for them.
 */
export type Decisions<
  S extends Service,
  State,
  F extends { type: string },
  C extends Commands<S>,
  Otherwise extends Unanswered<S> = never,
> = {
  readonly [T in Exclude<Heard<S>, Otherwise>]: Decide<Message<T, EventData<T>>, State, Event<Says<S, T>> | F>;
} & {
  readonly [T in keyof C & string]: Decide<Message<T, C[T]['data']>, State, Event<Says<S, C[T]['for']>> | F>;
} & {
  readonly [I in Exclude<Input<S>, Heard<S> | C[keyof C]['for']> as `nothing decides on ${I}`]: never;
};
type Decide<M, State, Fact> = (message: M, state: State, now: Date) => readonly Fact[];

/** The function that takes any message to the decision made for it; events without one of their own to `otherwise`. */
export const decideBy = <
  S extends Service,
  State,
  F extends { type: string },
  C extends Commands<S>,
  Otherwise extends Unanswered<S> = never,
>(
  decisions: Decisions<S, State, F, C, Otherwise>,
  ...otherwise: [Otherwise] extends [never] ? [] : [Decide<Message<Otherwise>, State, F>]
) => {
  type DecideAny = Decide<unknown, State, Event<SaysAny<S>> | F>;
  const own = decisions as unknown as Record<string, DecideAny>;
  return (message: Messages<S, C>, state: State, now: Date): readonly (Event<SaysAny<S>> | F)[] =>
    (own[message.type] ?? (otherwise[0] as DecideAny))(message, state, now);
};

/** The service that says an event: its `ce-source`. */
export const sourceOf = (type: EventType): Service =>
  (Object.keys(saga) as Service[]).find((s) =>
    Object.values(saga[s]).some((says: readonly EventType[]) => says.includes(type)),
  )!;

/** What answers an event: for each service that hears it and says something to it, the events it chooses from. */
export const answersTo = (event: EventType): { service: Service; answers: readonly EventType[] }[] =>
  (Object.keys(saga) as Service[]).flatMap((service) => {
    const answers = (saga[service] as Partial<Record<EventType, readonly EventType[]>>)[event] ?? [];
    return answers.length > 0 ? [{ service, answers }] : [];
  });

/** The events a service hears, in the table's order. */
export const heardBy = (service: Service): EventType[] =>
  Object.keys(saga[service]).filter((input): input is EventType => !input.includes(' '));

/** The events a service may say, in the table's order. */
export const saidBy = (service: Service): EventType[] => [
  ...new Set(Object.values(saga[service]).flat() as EventType[]),
];

/** By ending, of each service that publishes nothing but what order subscribes to, its answers and what they undo. */
const expectations = Map.groupBy(
  (['orders.confirmed', 'orders.cancelled'] as const).flatMap((ending) =>
    answersTo(ending)
      .filter(({ answers }) => answers.every((answer) => heardBy('order').includes(answer)))
      .map(({ answers }) => ({ ending, answers, undone: answers.flatMap((answer) => undoneBy(answer) ?? []) })),
  ),
  ({ ending }) => ending,
);

/**
 * What order has still to hear of after an ending, given what it has heard: of each list one event. An answer that undoes
 * something is expected only where that was done.
 */
export const expectedAfter = (
  ending: 'orders.confirmed' | 'orders.cancelled',
  heard: readonly string[],
): (readonly EventType[])[] =>
  (expectations.get(ending) ?? [])
    .filter(({ undone }) => undone.every((event) => heard.includes(event)))
    .map(({ answers }) => answers)
    .filter((answers) => !answers.some((answer) => heard.includes(answer)));
