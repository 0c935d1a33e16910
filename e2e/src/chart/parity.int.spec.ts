import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it, jest } from '@jest/globals';
import { SERVICES, services, simulators } from '@pavane/contracts';
import { ROOT } from '@pavane/tools';
import { parse } from 'yaml';
import { describeChart, type Manifest, manifestsIn, template } from './helm.js';
import { VALUE_SETS } from './value-sets.js';

jest.setTimeout(120_000);

interface Composed {
  environment?: Record<string, string>;
  command?: string[];
  ports?: string[];
  stop_grace_period?: string;
  image?: string;
}

/** The variables a service reads, by the classes it reads them into. */
const variablesOf = (service: string): string[] =>
  [`libs/service/src/config.ts`, `apps/${service}/src/${service}.config.ts`]
    .map((file) => join(ROOT, file))
    .filter((file) => existsSync(file))
    .flatMap((file) => [...readFileSync(file, 'utf8').matchAll(/\b([A-Z][A-Z0-9_]+)[?!]?(?:: [^=;]+)?(?: =|;)/g)])
    .map(([, name]) => name!);

describeChart('compose and the chart', () => {
  const compose = (
    parse(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8'), { merge: true }) as {
      services: Record<string, Composed>;
    }
  ).services;
  let dev: Manifest[];
  const container = (name: RegExp) =>
    dev.find(({ metadata, spec }) => name.test(metadata.name) && spec?.template?.spec)!.spec.template.spec
      .containers[0];
  const chartEnv = (name: string): string[] =>
    (container(new RegExp(`^${name}(-1)?$`)).env as { name: string }[]).map((variable) => variable.name);

  beforeAll(async () => {
    dev = manifestsIn(await template(VALUE_SETS['dev']!));
  });

  it.each(SERVICES)('give %s the same variables, and only such as it reads', (service) => {
    // What one of them alone needs: the password that URLs refer to and the drain, whose default compose keeps; and a
    // look at where traces go, which the chart knows from its values.
    const shared = (names: string[]) =>
      names
        .filter((name) => !['POSTGRES_PASSWORD', 'SHUTDOWN_DEADLINE', 'SHUTDOWN_GRACE', 'NODE_OPTIONS'].includes(name))
        .toSorted();
    const charted = chartEnv(service);
    // Nor has a chart simulators but those it bundles: where the real thing is, only its values can say.
    const own = Object.entries(services[service].trial ?? {}).flatMap(([variable, value]) =>
      simulators.some(({ name }) => value.includes(`{${name}}`)) ? [variable] : [],
    );
    const composed = Object.keys(compose[service]!.environment!).filter((name) => !own.includes(name));
    expect(shared(charted)).toEqual(shared(composed));
    const read = [...variablesOf(service), 'NODE_ENV', 'POSTGRES_PASSWORD'];
    expect(charted.filter((name) => !read.includes(name))).toEqual([]);
  });

  it.each(SERVICES)('let %s listen on the same port', (service) => {
    const { containerPort } = container(new RegExp(`^${service}$`)).ports[0];
    expect(compose[service]!.environment!['PORT']).toBe(`${containerPort}`);
    expect(compose[service]!.ports!.some((port) => port.endsWith(`:${containerPort}`))).toBe(true);
  });

  it.each(SERVICES)('give %s longer to stop than it takes to drain', (service) => {
    const drain = /SHUTDOWN_DEADLINE = ([\d_]+)/.exec(
      readFileSync(join(ROOT, 'libs/service/src/config.ts'), 'utf8'),
    )![1]!;
    const seconds = Number(drain.replaceAll('_', '')) / 1000;
    expect(Number.parseInt(compose[service]!.stop_grace_period!, 10)).toBeGreaterThanOrEqual(seconds + 5);
    const deployed = container(new RegExp(`^${service}$`)).env as { name: string; value: string }[];
    expect(deployed.find(({ name }) => name === 'SHUTDOWN_DEADLINE')!.value).toBe(`${seconds}s`);
  });

  it.each([
    ['topology', 'provision'],
    ['migrate', 'migrate'],
  ])('run %s alike', (composed, charted) => {
    const job = container(new RegExp(`^${charted}-1$`));
    expect(job.command.slice(0, 3)).toEqual(compose[composed]!.command!.slice(0, 3));
    expect(
      chartEnv(charted)
        .filter((name) => name !== 'POSTGRES_PASSWORD')
        .toSorted(),
    ).toEqual(
      Object.keys(compose[composed]!.environment!)
        .filter((name) => name !== 'NODE_ENV')
        .toSorted(),
    );
  });

  it.each(['provider', 'mail'])('run %s alike', (name) => {
    const { command, env } = container(new RegExp(`^${name}$`));
    expect(command).toEqual(compose[name]!.command);
    expect(Object.fromEntries(env.map((v: { name: string; value: string }) => [v.name, v.value]))).toEqual(
      compose[name]!.environment,
    );
  });

  it('run the same servers', () => {
    for (const name of ['nats', 'postgres'])
      expect(container(new RegExp(`^${name}$`)).image).toBe(compose[name]!.image);
  });
});
