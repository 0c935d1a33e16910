import { join } from 'node:path';
import { freePort, type NatsServer, startNats } from '@pavane/testing/servers';
import type { PlatformOptions } from '@pavane/tools';

/** How much the broker does for a message before it says that it has it. */
export interface Profile {
  name: ProfileName;
  about: string;
  replicas: 1 | 3;
  /** In the syntax of nats-server. */
  config: string;
}

export type ProfileName = 'r1' | 'r3';

export const profiles: Record<ProfileName, Profile> = {
  r1: { name: 'r1', about: 'one nats-server, synced every two minutes', replicas: 1, config: '' },
  r3: {
    name: 'r3',
    about: 'three nats-servers, three copies, each synced before it is acknowledged',
    replicas: 3,
    config: 'jetstream { sync_interval: always }\n',
  },
};

/** Options for a platform whose broker keeps to the profile; its servers are added to `servers` once they run. */
export function brokerOf({ replicas, config }: Profile, servers: NatsServer[]): PlatformOptions {
  return {
    replicas,
    async broker({ port, monitorPort, dir, config: users = '' }) {
      const names = Array.from({ length: replicas }, (_, i) => `n${i + 1}`);
      const routes = await Promise.all(names.map(() => freePort()));
      const clustered = (name: string, i: number) => `server_name: ${name}
cluster { name: pavane, listen: "127.0.0.1:${routes[i]}", routes: [${routes.map((to) => `"nats://127.0.0.1:${to}"`).join(', ')}] }
`;
      // All at once: none of them is healthy before the others are there.
      const started = await Promise.all(
        names.map((name, i) =>
          startNats({
            ...(i === 0 && { port, monitorPort }),
            dir: join(dir!, name),
            config: users + config + (replicas > 1 ? clustered(name, i) : ''),
          }),
        ),
      );
      servers.push(...started);
      const each = (work: (server: NatsServer) => Promise<void>) =>
        Promise.all(started.map(work)).then(() => undefined);
      return {
        url: started.map(({ url }) => url).join(','),
        stop: (signal) => each((server) => server.stop(signal)),
        restart: (signal) => each((server) => server.restart(signal)),
        pause: () => each((server) => server.pause()),
        resume: () => started.forEach((server) => server.resume()),
      };
    },
  };
}
