import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DEFAULT_STORE } from '@pavane/contracts';
import { parse } from 'yaml';
import { PORTS, ROOT, SERVICES } from './local/settings.js';

interface ComposeService {
  image: string;
  build?: { args: { APP: string } };
  user?: string;
  profiles?: string[];
  read_only?: boolean;
  cap_drop?: string[];
  cap_add?: string[];
  security_opt?: string[];
  healthcheck: { disable?: boolean; test?: string[] };
  restart?: string;
  stop_grace_period: string;
  mem_limit: string;
  ports?: string[];
  environment?: Record<string, string>;
  volumes?: (string | { source: string; target: string; volume?: { subpath?: string } })[];
}

const text = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const services = Object.entries(
  (parse(text('docker-compose.yml'), { merge: true }) as { services: Record<string, ComposeService> }).services,
);
const dockerfile = text('Dockerfile');
const OURS = /^pavane-/;
const once = ({ restart }: ComposeService) => restart === undefined;
const named = (name: string) => services.find(([known]) => known === name)![1];

describe('the platform in containers', () => {
  it.each(['single', 'cluster'])('gives the streams the room that they share out: %s', (config) => {
    const [, gibibytes] = /max_file_store: (\d+)GiB/.exec(text(`docker/nats/${config}.conf`))!;
    expect(Number(gibibytes) * 1024 ** 3).toBe(DEFAULT_STORE);
    expect(named('topology')).toMatchObject({ command: ['node', 'tools/dist/topology.js', 'apply'] });
  });

  it.each(services)('%s can change nothing but its volumes, and gain nothing', (_, service) => {
    expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] });
  });

  it.each(services)('%s does not run as root', (name, { image, user }) => {
    // What gives each key to its owner, before anything else runs and without a network.
    if (name === 'keys') return expect(user).toBe('0:0');
    if (OURS.test(image)) expect([user, dockerfile]).toEqual([undefined, expect.stringMatching(/^USER 1000:1000$/m)]);
    else expect(user).toMatch(/^(postgres|[1-9]\d*:\d+)$/);
  });

  it('gives capabilities back to what hands out the keys only', () => {
    const given = services.filter(([, { cap_add }]) => cap_add).map(([name, { cap_add }]) => [name, cap_add]);
    expect(given).toEqual([['keys', ['CHOWN', 'DAC_OVERRIDE']]]);
  });

  it('fits into 0.69 GB and 0.2 GB for each service, without profiles: 1.5 GB for the four it comes with', () => {
    const limits = (some: typeof services) =>
      some.reduce((sum, [, { mem_limit }]) => sum + (Number(/^(\d+)m$/.exec(mem_limit)![1]) * 1024 ** 2) / 1e9, 0);
    const isOurs = ([, { image }]: (typeof services)[number]) => SERVICES.some((name) => image === `pavane-${name}`);
    const running = services.filter(([, service]) => !service.profiles && !once(service));
    expect(limits(running.filter((service) => !isOurs(service)))).toBeLessThanOrEqual(0.69);
    for (const service of running.filter(isOurs)) expect(limits([service])).toBeLessThanOrEqual(0.202);
  });

  it.each(services)('%s has a memory limit, and an image of a named version', (_, { mem_limit, image }) => {
    expect(mem_limit).toMatch(/^\d+m$/);
    expect(image).toMatch(/^(pavane-\w+|[\w./-]+:(?!latest)[\w.-]+)$/);
  });

  it.each(services.filter(([, service]) => !once(service)))(
    '%s may take longer to stop than it may drain',
    (_, service) => {
      const drain = Number(
        /SHUTDOWN_DEADLINE = (\d+_?\d*)/.exec(text('libs/service/src/config.ts'))![1]!.replace('_', ''),
      );
      expect(Number(/^(\d+)s$/.exec(service.stop_grace_period)![1]) * 1000).toBeGreaterThan(drain);
    },
  );

  it.each(services.filter(([, service]) => !service.profiles && !once(service)))(
    '%s says whether it is ready',
    (_, { image, healthcheck }) => {
      if (healthcheck || !SERVICES.some((service) => image === `pavane-${service}`))
        expect(healthcheck.test).toBeDefined();
      else
        expect([healthcheck, dockerfile]).toEqual([
          undefined,
          expect.stringMatching(/^HEALTHCHECK .*[^]*\/health\/ready/m),
        ]);
    },
  );

  it.each(services)('%s is reached from this machine only', (_, { ports }) => {
    for (const port of ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
  });

  it('mounts files that are in the repository', () => {
    const sources = services
      .flatMap(([, { volumes }]) => volumes ?? [])
      .flatMap((volume) => (typeof volume === 'string' && volume.startsWith('./') ? [volume.split(':')[0]!] : []));
    expect(sources.filter((source) => !existsSync(join(ROOT, source)))).toEqual([]);
  });

  it('publishes the ports at which every command looks for the platform', () => {
    const published = services.flatMap(([, { ports }]) => ports ?? []).map((port) => Number(port.split(':')[1]));
    expect(published).toEqual(expect.arrayContaining(Object.values(PORTS).map(({ port }) => port)));
    expect(new Set(published).size).toBe(published.length);
  });

  it.each(SERVICES)('%s is its own image, and sees no key but its own', (name) => {
    const { build, image, volumes, environment } = named(name);
    expect([build?.args.APP, image]).toEqual([name, `pavane-${name}`]);
    const keys = volumes!.filter((volume) => typeof volume !== 'string' || /keys/.test(volume));
    expect(keys).toMatchObject([
      { source: 'keys', target: environment!['NATS_NKEY_FILE'], volume: { subpath: `${name}.nk` } },
    ]);
  });

  it('runs each service as the local platform does', () => {
    const memory = (source: string) =>
      ['max-semi-space-size', 'MALLOC_ARENA_MAX'].map((name) => new RegExp(`${name}\\W+(\\d+)`).exec(source)?.[1]);
    expect(memory(dockerfile)).toEqual([expect.any(String), expect.any(String)]);
    expect(memory(dockerfile)).toEqual(memory(text('tools/src/local/platform.ts')));
  });
});

describe('an image', () => {
  it('says what it is, of which version', () => {
    for (const label of ['title', 'description', 'licenses', 'source', 'version', 'revision'])
      expect(dockerfile).toContain(`org.opencontainers.image.${label}=`);
    const { version } = JSON.parse(text('package.json')) as { version: string };
    expect(dockerfile).toMatch(new RegExp(`^ARG VERSION=${version}$`, 'm'));
  });
});
