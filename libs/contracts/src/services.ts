import type { Service } from './participation.js';

/** What plays a system outside wherever there is none: locally, in compose and in trials. */
export interface Simulator {
  /** The variable that tells the service the system's URL. */
  readonly variable: string;
  /** Where the simulator listens. */
  readonly port: number;
}

interface Definition {
  /** Where it listens: on this machine, in compose and in Kubernetes. */
  readonly port: number;
  /** Systems outside that it calls by HTTP and brings a simulator for, by name: its `src/simulators/<name>.ts`. */
  readonly simulators?: Readonly<Record<string, Simulator>>;
}

const definitions = {
  order: { port: 3000 },
  payment: { port: 3001 },
  inventory: { port: 3002 },
  notification: { port: 3003 },
} as const satisfies Record<Service, Definition>;

/**
 * What each service is beside its rows in `saga.ts`, in the order of the flow. The local platform, compose, monitoring,
 * tools and proof derive from it.
 */
export const services: Readonly<Record<Service, Definition>> = definitions;

/** Every service, in the order of the flow; they also start and stop in it. */
export const SERVICES = Object.keys(services) as readonly Service[];

/** Every simulator that a service brings along. */
export const simulators = SERVICES.flatMap((service) =>
  Object.entries(services[service].simulators ?? {}).map(([name, simulator]) => ({ name, service, ...simulator })),
);
