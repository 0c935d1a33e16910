import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { eventually } from './eventually.js';
import { natsServerBinary } from './nats-binary.js';
import { startNats } from './nats-server.js';
import { freePort } from './ports.js';
import { isAlive } from './processes.js';
import { RUN_FROM_SOURCE } from './run-source.js';

// A machine that has no nats-server downloads one.
beforeAll(() => natsServerBinary(), 300_000);

const kept = mkdtempSync(join(tmpdir(), 'pavane-spec-'));
afterAll(() => rmSync(kept, { recursive: true, force: true }));

describe('startNats', () => {
  it('has JetStream up when it resolves, and removes its directory when disposed', async () => {
    let dir: string;
    {
      await using nats = await startNats();
      dir = nats.dir;
      const nc = await connect({ servers: nats.url });
      const jsm = await jetstreamManager(nc);
      expect(await jsm.streams.list().next()).toEqual([]);
      await nc.close();
    }
    expect(existsSync(dir)).toBe(false);
  });

  it('listens on loopback only', async () => {
    const address = Object.values(networkInterfaces())
      .flat()
      .find((entry) => entry?.family === 'IPv4' && !entry.internal)?.address;
    await using nats = await startNats();
    for (const port of [nats.port, Number(new URL(nats.monitorUrl).port)]) {
      if (address !== undefined) await expect(tcp(port, address)).rejects.toThrow('ECONNREFUSED');
      await expect(tcp(port, '127.0.0.1')).resolves.toBeUndefined();
    }
  });

  it('keeps what was stored over SIGKILL and restart, on the same port', async () => {
    await using nats = await startNats();
    const nc = await connect({ servers: nats.url });
    await (await jetstreamManager(nc)).streams.add({ name: 'S', subjects: ['s.>'] });
    await jetstream(nc).publish('s.1', 'one');
    await nc.close();
    const before = { port: nats.port, pid: nats.pid };

    await nats.stop('SIGKILL');
    expect(await nats.exited).toBe('ended by SIGKILL');
    await nats.restart();

    expect(nats.port).toBe(before.port);
    expect(nats.pid).not.toBe(before.pid);
    const again = await connect({ servers: nats.url });
    const { state } = await (await jetstreamManager(again)).streams.info('S');
    expect(state.messages).toBe(1);
    await again.close();
  });

  it('answers nothing while paused and goes on when resumed', async () => {
    await using nats = await startNats();
    const nc = await connect({ servers: nats.url });
    await nats.pause();
    const unanswered = Symbol('unanswered');
    const round = nc.flush().then(() => 'answered');
    expect(await Promise.race([round, new Promise((done) => setTimeout(done, 200, unanswered))])).toBe(unanswered);
    nats.resume();
    expect(await round).toBe('answered');
    await nc.close();
  });

  it('stops although it is paused', async () => {
    await using nats = await startNats();
    await nats.pause();
    await nats.stop();
    expect(nats.running).toBe(false);
  });

  it('keeps a directory it was given, and refuses to run on it twice', async () => {
    const dir = join(kept, 'nats');
    {
      await using nats = await startNats({ dir });
      expect(nats.dir).toBe(dir);
      await expect(startNats({ dir, readyWithinMs: 1 })).rejects.toThrow(`already runs on ${dir}`);
    }
    expect(existsSync(join(dir, 'jetstream'))).toBe(true);
  });

  it('says which port is busy', async () => {
    await using nats = await startNats();
    await expect(startNats({ port: nats.port })).rejects.toMatchObject({
      code: 'PORT_BUSY',
      port: nats.port,
      message: expect.stringContaining(`port ${nats.port} on 127.0.0.1 is in use`),
    });
  });

  it('takes further configuration, and fails with the end of the log when it is wrong', async () => {
    await using nats = await startNats({ config: 'max_payload: 2048' });
    const nc = await connect({ servers: nats.url });
    expect(nc.info?.max_payload).toBe(2048);
    await nc.close();
    await expect(startNats({ config: 'max_payload: banana' })).rejects.toMatchObject({
      code: 'SERVER_FAILED',
      message: expect.stringContaining('nats-server.conf:1'),
    });
  });

  it('does not outlive a process that was killed, nor does its directory', async () => {
    const script = `
      import { startNats } from ${JSON.stringify(join(import.meta.dirname, 'nats-server.ts'))};
      const nats = await startNats({ port: ${await freePort()} });
      console.log(JSON.stringify({ pid: nats.pid, dir: nats.dir }));`;
    const parent = spawn(process.execPath, [...RUN_FROM_SOURCE, '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = await once(parent.stdout, 'data');
    const { pid, dir }: { pid: number; dir: string } = JSON.parse(String(line));
    expect(isAlive(pid)).toBe(true);
    parent.kill('SIGKILL');
    await eventually(() => expect([isRunning(pid), existsSync(dir)]).toEqual([false, false]), { withinMs: 15_000 });
  });
});

/** False also for a zombie that nobody has collected. */
function isRunning(pid: number): boolean {
  return isAlive(pid) && (!existsSync('/proc') || existsSync(`/proc/${pid}/exe`));
}

async function tcp(port: number, host: string): Promise<void> {
  const socket = connectTcp({ port, host });
  await once(socket, 'connect');
  socket.destroy();
}
