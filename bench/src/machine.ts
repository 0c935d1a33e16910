import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';

/** The unit in which Linux counts CPU time for everybody outside the kernel, in seconds. */
const TICK = 0.01;
const MB = 1024 * 1024;

/** CPU seconds a process has used so far; 0 where the system does not tell. */
export function cpuSecondsOf(pid: number): number {
  const [user = 0, system = 0] = statOf(pid).slice(11, 13).map(Number);
  return (user + system) * TICK;
}

/** CPU seconds that a process and its children have used so far, those that have ended included. */
export function cpuSecondsOfAll(pid: number): number {
  const [endedUser = 0, endedSystem = 0] = statOf(pid).slice(13, 15).map(Number);
  const alive = childrenOf(pid).reduce((sum, child) => sum + cpuSecondsOfAll(child), 0);
  return cpuSecondsOf(pid) + (endedUser + endedSystem) * TICK + alive;
}

/** Resident memory of a process in MB; 0 where the system does not tell. */
export function rssMbOf(pid: number): number {
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(proc(`${pid}/status`))?.[1] ?? 0) / 1024);
}

/** The machine a figure was measured on: without it the figure says little. */
export interface Machine {
  cpu: string;
  cores: number;
  memoryMb: number;
  kernel: string;
  node: string;
  /** The file system that streams and databases were kept on. */
  disk: string;
}

/** Describes this machine and the file system of `dir`. */
export function describeMachine(dir: string): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryMb: Math.round(totalmem() / MB),
    kernel: release(),
    node: process.versions.node,
    disk: fileSystemOf(dir),
  };
}

/** The machine in one line. */
export const machineLine = ({ cpu, cores, memoryMb, kernel, node, disk }: Machine): string =>
  `${cores} × ${cpu}, ${Math.round(memoryMb / 1024)} GB, ${disk}, kernel ${kernel}, Node ${node}`;

/** The fields of `/proc/<pid>/stat` from the third on: the second, the name, may hold anything. */
const statOf = (pid: number): string[] => proc(`${pid}/stat`).split(') ').at(-1)!.split(' ');

function childrenOf(pid: number): number[] {
  const threads = list(`${pid}/task`);
  return threads.flatMap((thread) => proc(`${pid}/task/${thread}/children`).split(' ').filter(Boolean).map(Number));
}

function fileSystemOf(dir: string): string {
  const mounts = proc('self/mounts')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, at = '']) => dir === at || dir.startsWith(at.endsWith('/') ? at : `${at}/`));
  return mounts.toSorted(([, a = ''], [, b = '']) => b.length - a.length)[0]?.[2] ?? 'unknown';
}

/** What the kernel tells there; nothing where there is no such thing, or no longer. */
function proc(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, 'utf8');
  } catch {
    return '';
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(`/proc/${path}`);
  } catch {
    return [];
  }
}
