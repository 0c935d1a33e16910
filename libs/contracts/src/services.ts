import type { Service } from './participation.js';

interface Definition {
  /** Where it listens: on this machine, in compose and in Kubernetes. */
  readonly port: number;
  /**
   * Its own variables on a platform to try things on: on this machine and in compose. `{name}` becomes the host and port of
   * the simulator of that name: one of its own, `provider` or `smtp`.
   */
  readonly trial?: Readonly<Record<string, string>>;
  /** Its own variables in Kubernetes, where the values of the chart do not say otherwise. */
  readonly production?: Readonly<Record<string, string>>;
  /** Simulators it brings along for what it calls outside, and their ports: `src/simulators/<name>.ts` plays `<name>`. */
  readonly simulators?: Readonly<Record<string, number>>;
  /** Whether it also publishes of its own accord, as a reconciler does: one question may then have two answers. */
  readonly publishesUnasked?: boolean;
}

const MAIL_FROM = 'Pavane <orders@pavane.example>';

const definitions = {
  // Short, so that the demo can show an order that runs past it.
  order: { port: 3000, trial: { ORDER_DEADLINE: '10s' }, production: { ORDER_DEADLINE: '15m' } },
  payment: { port: 3001, trial: { PROVIDER_URL: 'http://{provider}' }, publishesUnasked: true },
  inventory: { port: 3002 },
  notification: { port: 3003, trial: { SMTP_URL: 'smtp://{smtp}', MAIL_FROM }, production: { MAIL_FROM } },
} satisfies Record<Service, Definition>;

/**
 * What each service is beside its rows in `saga.ts`, in the order of the flow. The local platform, compose, monitoring,
 * chart, tools and proof derive from it.
 */
export const services: Readonly<Record<Service, Definition>> = definitions;

/** Every service, in the order of the flow; they also start and stop in it. */
export const SERVICES = Object.keys(services) as readonly Service[];

/** Every simulator that a service brings along. */
export const simulators = SERVICES.flatMap((service) =>
  Object.entries(services[service].simulators ?? {}).map(([name, port]) => ({ name, service, port })),
);

/** What plays the outside on a platform to try things on. */
const PLAYED = ['provider', 'smtp', ...simulators.map(({ name }) => name)];

/**
 * The variables of a service on a platform to try things on, where `address` gives host and port of each simulator.
 * @throws Error that names a simulator that there is none of
 */
export const trialVariables = (service: Service, address: (simulator: string) => string): Record<string, string> =>
  Object.fromEntries(
    Object.entries(services[service].trial ?? {}).map(([variable, value]) => [
      variable,
      value.replaceAll(/\{([\w-]+)\}/g, (placeholder, simulator: string) => {
        if (PLAYED.includes(simulator)) return address(simulator);
        throw new Error(
          `${variable} of ${service} names ${placeholder}, and there is no such simulator; there are ${PLAYED.join(', ')}, and a service brings its own along with \`simulators\` in libs/contracts/src/services.ts`,
        );
      }),
    ]),
  );

/** The simulators that the variables of a service name. */
export const simulatorsOf = (service: Service): string[] => {
  const named = new Set<string>();
  trialVariables(service, (simulator) => {
    named.add(simulator);
    return '';
  });
  return [...named];
};
