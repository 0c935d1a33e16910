import { readdirSync } from 'node:fs';
import { command, isLeftover, reasonAgainst } from './command.js';

// 198.18.0.0/15 is set aside for tests of networks (RFC 2544); each run takes eight addresses of it, by its process id.
const RUNS = 1 << 14;
const HOST = 6;

/**
 * Rooms (network namespaces) behind a switch of their own, to which this machine is plugged in, too. Needs root, and
 * namespaces to be allowed.
 */
export class Network {
  readonly #first = (process.pid % RUNS) * 8;

  private constructor(readonly rooms: readonly number[]) {}

  /** With up to five rooms, counted from 1. */
  static async of(rooms: number): Promise<Network> {
    const network = new Network(Array.from({ length: rooms }, (_, i) => i + 1));
    await removeNetworks((pid) => pid === `${process.pid}` || isLeftover(pid));
    try {
      await network.#build();
    } catch (error) {
      await network.remove();
      throw error;
    }
    return network;
  }

  /** Why there can be no such network here; undefined when there can be one. */
  static unmet(): Promise<string | undefined> {
    return reasonAgainst(async () => {
      const network = await Network.of(1);
      try {
        await network.unplug(1);
      } finally {
        await network.remove();
      }
    });
  }

  address(room: number): string {
    const at = this.#first + room;
    return `198.${18 + (at >> 16)}.${(at >> 8) & 255}.${at & 255}`;
  }

  /** The command line that runs a program in a room. */
  inside(room: number, ...program: string[]): string[] {
    return ['ip', 'netns', 'exec', namespace(room), ...program];
  }

  /** Cuts a room off from the others and from this machine: what is sent either way vanishes. */
  async unplug(room: number): Promise<void> {
    await command('bridge', 'link', 'set', 'dev', plug(room), 'state', '0');
  }

  async plugIn(room: number): Promise<void> {
    await command('bridge', 'link', 'set', 'dev', plug(room), 'state', '3');
  }

  async remove(): Promise<void> {
    await removeNetworks((pid) => pid === `${process.pid}`);
  }

  async #build(): Promise<void> {
    await command('ip', 'link', 'add', SWITCH, 'type', 'bridge');
    await command('ip', 'address', 'add', `${this.address(HOST)}/29`, 'dev', SWITCH);
    await command('ip', 'link', 'set', SWITCH, 'up');
    for (const room of this.rooms) {
      const within = ['-n', namespace(room)];
      await command('ip', 'netns', 'add', namespace(room));
      await command('ip', 'link', 'add', plug(room), 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace(room));
      await command('ip', 'link', 'set', plug(room), 'master', SWITCH);
      await command('ip', 'link', 'set', plug(room), 'up');
      await command('ip', ...within, 'address', 'add', `${this.address(room)}/29`, 'dev', 'eth0');
      await command('ip', ...within, 'link', 'set', 'eth0', 'up');
      await command('ip', ...within, 'link', 'set', 'lo', 'up');
    }
  }
}

// Names that say whose they are; those of interfaces have at most 15 characters.
const SWITCH = `pavane${process.pid}`;
const plug = (room: number): string => `pavane${process.pid}-${room}`;
const namespace = (room: number): string => `pavane-${process.pid}-${room}`;

async function removeNetworks(whose: (pid: string | undefined) => boolean): Promise<void> {
  const mine = (dir: string, name: RegExp) => namesIn(dir).filter((entry) => whose(name.exec(entry)?.[1]));
  for (const link of mine('/sys/class/net', /^pavane(\d+)(-\d)?$/))
    await command('ip', 'link', 'delete', link).catch(() => undefined);
  for (const space of mine('/run/netns', /^pavane-(\d+)-\d$/))
    await command('ip', 'netns', 'delete', space).catch(() => undefined);
}

function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}
