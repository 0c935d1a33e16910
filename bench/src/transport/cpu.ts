import { cpuSecondsOfAll } from '../machine.js';

/** CPU time per message of each process, in microseconds; the kernel counts in hundredths of a second. */
export interface CpuPerMessage {
  broker: number;
  publisher: number;
  consumer: number;
}

/** Runs `work` and shares the CPU time it took out among the messages that it counts. */
export async function cpuPerMessage<T extends { count: number }>(
  pids: Record<keyof CpuPerMessage, number>,
  work: () => Promise<T>,
): Promise<T & { cpuUs: CpuPerMessage }> {
  const before = secondsOf(pids);
  const done = await work();
  const after = secondsOf(pids);
  const each = (who: keyof CpuPerMessage) => ((after[who] - before[who]) / done.count) * 1e6;
  return { ...done, cpuUs: { broker: each('broker'), publisher: each('publisher'), consumer: each('consumer') } };
}

function secondsOf({ broker, publisher, consumer }: Record<keyof CpuPerMessage, number>): CpuPerMessage {
  return {
    broker: cpuSecondsOfAll(broker),
    publisher: cpuSecondsOfAll(publisher),
    consumer: cpuSecondsOfAll(consumer),
  };
}
