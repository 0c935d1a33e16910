import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '@pavane/testing';
import { createTransport } from 'nodemailer';
import { spawnMain } from '../spawn-main.js';
import { type MailSink, startMailSink } from './mail-sink.js';

const dir = mkdtempSync(join(tmpdir(), 'pavane-spec-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

let sink: Pick<MailSink, 'smtpPort' | 'url'>;
let closing: () => Promise<void>;
beforeEach(async () => {
  const started = await startMailSink({ smtpPort: 0, httpPort: 0 });
  sink = started;
  closing = () => started.close();
});
afterEach(() => closing());

describe('the mail sink', () => {
  it('shows what it accepted', async () => {
    await send({ messageId: '<o1.confirmed@pavane.example>', subject: 'Bestätigt ✓', text: 'Danke schön' });
    const message = {
      messageId: 'o1.confirmed@pavane.example',
      from: 'shop@pavane.example',
      to: ['ada@example.com'],
      subject: 'Bestätigt ✓',
      text: 'Danke schön\n',
      at: expect.any(String),
      deliveries: 1,
    };
    expect(await get('/messages')).toEqual({ total: 1, distinct: 1, messages: [message] });
    expect(await get('/messages/o1.confirmed@pavane.example')).toEqual(message);
    expect(await get(`/messages/${encodeURIComponent('<o1.confirmed@pavane.example>')}`)).toEqual(message);
  });

  it('counts the same Message-ID as one message, delivered again', async () => {
    await send({ messageId: '<a@x>' });
    await send({ messageId: '<a@x>' });
    await send({ messageId: '<b@x>' });
    expect(await get('/messages')).toMatchObject({ total: 3, distinct: 2 });
    expect(await get('/counts')).toEqual({ 'a@x': 2, 'b@x': 1 });
  });

  it('finds by recipient and by Message-ID, newest first, page by page', async () => {
    for (const [id, to] of [
      ['1', 'ada'],
      ['2', 'bob'],
      ['3', 'ada'],
      ['4', 'ada'],
    ] as const)
      await send({ messageId: `<${id}@x>`, to: `${to}@example.com` });
    const ids = async (query: string) => {
      const { messages }: { messages?: { messageId: string }[] } = await get(`/messages?${query}`);
      return messages?.map(({ messageId }) => messageId);
    };
    expect(await ids('recipient=ADA@example.com')).toEqual(['4@x', '3@x', '1@x']);
    expect(await ids('messageId=2@x')).toEqual(['2@x']);
    expect(await ids('limit=2&offset=1')).toEqual(['3@x', '2@x']);
    expect(await get('/messages?recipient=ada@example.com&limit=1')).toMatchObject({ total: 3, distinct: 3 });
    expect(await call('GET', '/messages?limit=all')).toMatchObject({ status: 400 });
  });

  it('forgets everything on DELETE', async () => {
    await send({});
    await call('DELETE', '/messages');
    expect(await get('/messages')).toEqual({ total: 0, distinct: 0, messages: [] });
  });

  it('refuses addresses at bounce.example and those a test names, with 550', async () => {
    await expect(send({ to: 'nobody@bounce.example' })).rejects.toMatchObject({ responseCode: 550 });
    await post('/faults', { rejectRecipients: ['Ada@example.com'] });
    await expect(send({ to: 'ada@example.com' })).rejects.toMatchObject({ responseCode: 550 });
    await call('DELETE', '/faults');
    await send({ to: 'ada@example.com' });
    expect(await get('/messages')).toMatchObject({ total: 1 });
  });

  it('turns away so many messages as asked with 451 and does not keep them', async () => {
    await post('/faults', { tempfail: 2 });
    await expect(send({})).rejects.toMatchObject({ responseCode: 451 });
    await expect(send({})).rejects.toMatchObject({ responseCode: 451 });
    expect(await get('/messages')).toMatchObject({ total: 0 });
    await send({});
    expect(await get('/messages')).toMatchObject({ total: 1 });
  });

  it('holds messages unanswered until the fault is cleared, and does not keep them', async () => {
    await post('/faults', { hang: true });
    const hung = send({}).then(
      () => 'accepted',
      () => 'dropped',
    );
    await eventually(async () => expect(await get('/faults')).toMatchObject({ held: 1 }));
    await call('DELETE', '/faults');
    expect(await hung).toBe('dropped');
    expect(await get('/messages')).toMatchObject({ total: 0 });
  });

  it('takes many messages over one pooled connection', async () => {
    const pool = createTransport({ host: '127.0.0.1', port: sink.smtpPort, pool: true, maxConnections: 2 });
    const sent = Array.from({ length: 100 }, (_, n) =>
      pool.sendMail({ from: 'shop@pavane.example', to: 'ada@example.com', messageId: `<${n}@x>`, text: 'x' }),
    );
    await Promise.all(sent);
    expect(await get('/messages?limit=1')).toMatchObject({ total: 100, distinct: 100 });
    pool.close();
  });
});

describe('the process', () => {
  it('forgets no mail it accepted when it is killed, and ends with 0 on SIGTERM although a client idles', async () => {
    const main = join(import.meta.dirname, 'main.ts');
    const env = { SMTP_PORT: '0', PORT: '0', STATE_FILE: join(dir, 'mail') };
    {
      await using first = await spawnMain(main, env);
      sink = locate(first.greeting);
      await send({ messageId: '<a@x>' });
      await first.end('SIGKILL');
    }
    await using second = await spawnMain(main, env);
    sink = locate(second.greeting);
    const pool = createTransport({ host: '127.0.0.1', port: sink.smtpPort, pool: true });
    pool.on('error', () => undefined);
    await pool.sendMail({ from: 'shop@pavane.example', to: 'ada@example.com', messageId: '<a@x>', text: 'x' });
    expect(await get('/counts')).toEqual({ 'a@x': 2 });
    expect(await second.end('SIGTERM')).toBe(0);
    pool.close();
  });
});

async function send(change: { to?: string; messageId?: string; subject?: string; text?: string }): Promise<void> {
  const transport = createTransport({ host: '127.0.0.1', port: sink.smtpPort });
  try {
    await transport.sendMail({
      from: 'shop@pavane.example',
      to: 'ada@example.com',
      subject: 's',
      text: 't',
      ...change,
    });
  } finally {
    transport.close();
  }
}

async function get(path: string): Promise<Record<string, unknown>> {
  return (await call('GET', path)).body;
}

function post(path: string, body: unknown) {
  return call('POST', path, body);
}

async function call(method: string, path: string, body?: unknown) {
  const response = await fetch(`${sink.url}${path}`, {
    method,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const parsed: Record<string, unknown> = text === '' ? {} : JSON.parse(text);
  return { status: response.status, body: parsed };
}

function locate(greeting: string): Pick<MailSink, 'smtpPort' | 'url'> {
  const [, smtpPort, url = ''] = /port (\d+) .*(http:\S+)\/messages/.exec(greeting) ?? [];
  return { smtpPort: Number(smtpPort), url };
}
