import type { Event, EventData, EventType } from './events/index.js';
import { saga } from './saga.js';

type Saga = typeof saga;
export type Service = keyof Saga;
/** Every input of a service: the events it hears and the requests it answers. */
export type Input<S extends Service> = keyof Saga[S] & string;
/** The events a service hears: one durable consumer and one handler each. */
export type Heard<S extends Service> = Extract<Input<S>, EventType>;
/** The events a service may say on hearing `I`. */
export type Says<S extends Service, I extends Input<S>> = Extract<Saga[S][I], readonly EventType[]>[number];
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
 * keeps to itself.
 */
export type Decisions<S extends Service, State, F extends { type: string }, C extends Commands<S>> = {
  readonly [T in Heard<S>]: Decide<Message<T, EventData<T>>, State, Event<Says<S, T>> | F>;
} & {
  readonly [T in keyof C & string]: Decide<Message<T, C[T]['data']>, State, Event<Says<S, C[T]['for']>> | F>;
} & {
  readonly [I in Exclude<Input<S>, Heard<S> | C[keyof C]['for']> as `nothing decides on ${I}`]: never;
};
type Decide<M, State, Fact> = (message: M, state: State, now: Date) => readonly Fact[];

/** Puts decisions behind one door: the function that takes any of their messages to the decision made for it. */
export const decideBy =
  <S extends Service, State, F extends { type: string }, C extends Commands<S>>(decisions: Decisions<S, State, F, C>) =>
  (message: Messages<S, C>, state: State, now: Date): readonly (Event<SaysAny<S>> | F)[] =>
    (decisions as unknown as Record<string, Decide<unknown, State, Event<SaysAny<S>> | F>>)[message.type]!(
      message,
      state,
      now,
    );

/** The service that says an event: its `ce-source`. */
export const sourceOf = (type: EventType): Service =>
  (Object.keys(saga) as Service[]).find((s) =>
    Object.values(saga[s]).some((says: readonly EventType[]) => says.includes(type)),
  )!;

/** The events a service hears, in the table's order. */
export const heardBy = (service: Service): EventType[] =>
  Object.keys(saga[service]).filter((input): input is EventType => !input.includes(' '));

/** The events a service may say, in the table's order. */
export const saidBy = (service: Service): EventType[] => [
  ...new Set(Object.values(saga[service]).flat() as EventType[]),
];
