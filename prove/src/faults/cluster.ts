import { Network } from '../machine/network.js';
import { type Member, NatsCluster } from '../machine/nats-cluster.js';
import type { Scene } from '../scene.js';
import type { Fault, Stage } from './fault.js';

/** Long enough for the others to choose another leader, for every stream and every consumer it led. */
const AWAY_MS: [least: number, most: number] = [8000, 10_000];

/** What can happen to one of three nats-servers that keep three copies of everything. */
export const cluster: readonly Fault[] = [
  onCluster('cluster-sigkill', 'SIGKILL of a follower of SAGA, then of its leader, each away for 8 to 10 s', {
    async breaks(member, scene) {
      scene.kills.servers++;
      await member.stop('SIGKILL');
    },
    heals: (member) => member.start(),
  }),
  onCluster('cluster-sigstop', 'SIGSTOP of a follower of SAGA, then of its leader, for 8 to 10 s each', {
    breaks: (member) => member.pause(),
    heals: (member) => member.resume(),
  }),
  onCluster(
    'cluster-partition',
    'a follower of SAGA, then its leader, cut off from the other two and from all services for 8 to 10 s',
    { breaks: (member) => member.unplug(), heals: (member) => member.plugIn() },
  ),
];

interface Harm {
  breaks(member: Member, scene: Scene): Promise<void> | void;
  heals(member: Member): Promise<void> | void;
}

function onCluster(name: string, about: string, { breaks, heals }: Harm): Fault {
  return {
    name,
    about: `a cluster of three: ${about}`,
    needs: 'root',
    when: 'full',
    unmet: () => Network.unmet(),
    stage: threeServers,
    async run(scene) {
      const servers = scene.platform.nats as NatsCluster;
      for (const role of ['follower', 'leader'] as const) {
        await servers.healthy();
        const member = await memberOf(scene, servers, role);
        await breaks(member, scene);
        await scene.lasts(scene.random.int(...AWAY_MS));
        await heals(member);
      }
    },
  };
}

async function threeServers(): Promise<Stage> {
  const network = await Network.of(3);
  return {
    options: { broker: (options) => NatsCluster.start(network, options), replicas: 3 },
    dispose: () => network.remove(),
  };
}

/** Who leads SAGA now, or the first of those who follow. */
async function memberOf(scene: Scene, { members }: NatsCluster, role: 'leader' | 'follower'): Promise<Member> {
  let leader: string | undefined;
  await scene.until('SAGA has a leader', async () => {
    leader = (await (await scene.jsm()).streams.info('SAGA')).cluster?.leader;
    return leader !== undefined;
  });
  return members.find(({ name }) => (name === leader) === (role === 'leader'))!;
}
