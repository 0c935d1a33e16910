import { type Service, SERVICES, services, simulators, simulatorsOf, trialVariables } from '@pavane/contracts';
import { stringify } from 'yaml';

/** Where compose has what plays the outside. */
const IN_COMPOSE: Readonly<Record<string, string>> = {
  provider: 'provider:4010',
  smtp: 'mail:2525',
  ...Object.fromEntries(simulators.map(({ name, port }) => [name, `${name}:${port}`])),
};

const indented = (lines: readonly string[], by: number): string =>
  lines.map((line) => (line ? `${' '.repeat(by)}${line}` : '')).join('\n');

const quoted = (value: string): string => stringify(value, { singleQuote: true, lineWidth: 0 }).trim();

const variables = (of: Readonly<Record<string, string>>): string[] =>
  Object.entries(of).map(([name, value]) => `${name}: ${quoted(value)}`);

/** The databases, for the container that migrates them. */
export const composeDatabases = (): string =>
  indented(
    SERVICES.map((service) => `${service.toUpperCase()}_DATABASE_URL: postgresql://postgres@postgres:5432/${service}`),
    6,
  );

/** A container for each service, and for each simulator that one brings along. */
export const composeServices = (): string =>
  [...SERVICES.map(composeService), ...simulators.map(composeSimulator)].join('\n\n');

function composeService(service: Service): string {
  const { port } = services[service];
  const waits = simulatorsOf(service).map((simulator) => IN_COMPOSE[simulator]!.split(':')[0]!);
  return indented(
    [
      `${service}:`,
      '  <<: *service',
      `  build: { <<: *build, args: { <<: *args, APP: ${service} } }`,
      `  image: pavane-${service}`,
      '  environment:',
      '    <<: *env',
      `    PORT: '${port}'`,
      `    DATABASE_URL: postgresql://postgres@postgres:5432/${service}`,
      ...variables(trialVariables(service, (simulator) => IN_COMPOSE[simulator]!)).map((line) => `    ${line}`),
      '  volumes:',
      '    - *traces',
      '    - {',
      '        type: volume,',
      '        source: keys,',
      '        target: /keys/own.nk,',
      '        read_only: true,',
      `        volume: { nocopy: true, subpath: ${service}.nk },`,
      '      }',
      `  ports: ['127.0.0.1:${port}:${port}']`,
      ...(waits.length > 0
        ? ['  depends_on:', '    <<: *ready', ...waits.map((name) => `    ${name}: { condition: service_healthy }`)]
        : []),
    ],
    2,
  );
}

function composeSimulator({ name, service, port }: (typeof simulators)[number]): string {
  return indented(
    [
      `${name}:`,
      '  <<: *server',
      `  image: pavane-${service}`,
      `  command: ['node', 'apps/${service}/dist/simulators/${name}.js']`,
      `  environment: { PORT: '${port}' }`,
      `  ports: ['127.0.0.1:${port}:${port}']`,
      '  healthcheck: *tool-health',
      '  mem_limit: 112m',
    ],
    2,
  );
}

/** What Prometheus scrapes in compose; the name of a job is that of its service, as rules and dashboard expect. */
export const scrapeConfigs = (): string =>
  SERVICES.map(
    (service) =>
      `  - { job_name: ${service}, static_configs: [{ targets: ['${service}:${services[service].port}'] }] }`,
  ).join('\n');

/** The alert for a service of which nobody answers. */
export const serviceDown = (): string =>
  [
    '        expr: >-',
    `          sum by (job) (up{job=~"${SERVICES.join('|')}"}) == 0`,
    ...SERVICES.map((service) => `          or absent(up{job="${service}"})`),
  ].join('\n');

/** The services in the values of the chart. */
export const chartServices = (): string =>
  `services:\n${indented(
    SERVICES.flatMap((service) => {
      const env = variables(services[service].production ?? {});
      return [
        `${service}:`,
        '  replicas: 2',
        `  port: ${services[service].port}`,
        `  env: ${env.length > 0 ? `{ ${env.join(', ')} }` : '{}'}`,
        `  secrets: { DATABASE_URL: ${service}-database }`,
      ];
    }),
    2,
  )}`;
