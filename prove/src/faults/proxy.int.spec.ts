import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { randomOf } from '../random.js';
import { Proxy } from './proxy.js';

/** Sends back what it gets. */
const echo = createServer({ allowHalfOpen: true }, (socket) => socket.on('error', () => undefined).pipe(socket));
let proxy: Proxy;
beforeAll(async () => {
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
});
beforeEach(async () => {
  proxy = await Proxy.before((echo.address() as AddressInfo).port, [], randomOf(1, 'proxy'));
});
afterEach(() => proxy.close());
afterAll(() => void echo.close());

async function client(): Promise<Socket> {
  const socket = connect({ port: proxy.port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  return socket;
}

describe('a proxy', () => {
  it('passes everything on, late and in order', async () => {
    proxy.delays(5, 30);
    const socket = await client();
    const started = performance.now();
    const text = Array.from({ length: 200 }, (_, i) => `${i},`).join('');
    for (const piece of text.split(/(?<=,)/)) {
      socket.write(piece);
      await new Promise(setImmediate);
    }
    socket.end();
    expect((await buffer(socket)).toString()).toBe(text);
    expect(performance.now() - started).toBeGreaterThanOrEqual(10);
    expect(proxy.held).toBeGreaterThan(10);
  });

  it('resets the connections there are, refuses new ones while it is told to, and takes them again', async () => {
    const socket = await client();
    socket.write('x');
    await once(socket, 'data');
    const lost = new Promise((resolve) => socket.once('error', resolve));
    proxy.refuse();
    proxy.reset();
    expect(await lost).toMatchObject({ code: 'ECONNRESET' });
    expect(proxy.resets).toBe(1);
    await expect(client()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await proxy.accept();
    (await client()).destroy();
  });

  it('loses the answer to a commit, and the connection with it', async () => {
    proxy.cutsCommits(1);
    const socket = await client();
    const heard: Buffer[] = [];
    socket.on('data', (data) => heard.push(data)).on('error', () => undefined);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.write('C\0\0\0\x0bCOMMIT\0');
    await closed;
    expect([heard, proxy.cuts]).toEqual([[], 1]);
  });

  it('holds a commit back, while what others send passes it', async () => {
    proxy.holdsCommits(1, 300);
    const [late, prompt] = [await client(), await client()];
    const order: string[] = [];
    late.on('data', () => order.push('commit')).on('error', () => undefined);
    prompt.on('data', () => order.push('other')).on('error', () => undefined);
    const answered = once(late, 'data');
    late.write('Q\0\0\0\x0bCOMMIT\0');
    prompt.write('Q\0\0\0\x0aBEGIN\0');
    await answered;
    expect([order, proxy.overtaken]).toEqual([['other', 'commit'], 1]);
    for (const socket of [late, prompt]) socket.destroy();
  });
});
