import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import type { AddressInfo } from 'node:net';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { NotificationConfig } from './notification.config.js';
import type { Mail } from './notification.mail.js';
import { Mailer } from './notification.mailer.js';

const MAIL: Mail = { messageId: '<1@pavane.example>', to: 'ada@example.com', subject: 'Your order', text: 'Thanks.\n' };

const answer = (responseCode: number, message: string) => Object.assign(new Error(message), { responseCode });
const taken: SMTPServerOptions['onData'] = (stream, _session, callback) => {
  stream.resume().once('end', () => callback());
};

describe('a mail', () => {
  it('is sent when the server takes it', async () => {
    await using door = await server({ onData: taken });
    expect(await door.send()).toEqual({ status: 'sent' });
  });

  it.each<[string, SMTPServerOptions]>([
    ['the recipient', { onRcptTo: (_to, _session, callback) => callback(answer(550, 'no such mailbox')) }],
    [
      'the message',
      {
        onData: (stream, _session, callback) => {
          stream.resume().once('end', () => callback(answer(554, 'looks like spam')));
        },
      },
    ],
  ])('has failed for good when the server refuses %s', async (_what, options) => {
    await using door = await server(options);
    expect(await door.send()).toEqual({ status: 'failed', detail: expect.stringMatching(/no such mailbox|spam/) });
  });

  it('has failed for good when its recipient is no address', async () => {
    await using door = await server({ onData: taken });
    expect(await door.send({ ...MAIL, to: '' })).toMatchObject({ status: 'failed' });
  });

  it.each<[string, SMTPServerOptions, string]>([
    [
      'credentials (535)',
      { authOptional: false, onAuth: (_auth, _session, callback) => callback(answer(535, 'refused')) },
      'pavane:wrong@',
    ],
    ['a client without credentials (530)', { authOptional: false }, ''],
    ['the connection (554)', { onConnect: (_session, callback) => callback(answer(554, 'refused')) }, ''],
    ['the sender (550)', { onMailFrom: (_from, _session, callback) => callback(answer(550, 'refused')) }, ''],
    [
      'a mail while it is closing (421)',
      { onRcptTo: (_to, _session, callback) => callback(answer(421, 'closing')) },
      '',
    ],
  ])('is tried again later when the server refuses %s', async (_what, options, credentials) => {
    await using door = await server(options, credentials);
    await expect(door.send()).rejects.toMatchObject({ code: 'RETRY_LATER' });
  });

  it.each([
    ['requireTLS=true', { code: 'RETRY_LATER' }],
    ['requireTLS=false', undefined],
  ])('obeys the address of its server: %s', async (parameters, failure) => {
    await using door = await server({ onData: taken }, '', `?${parameters}`);
    if (failure) await expect(door.send()).rejects.toMatchObject(failure);
    else expect(await door.send()).toEqual({ status: 'sent' });
  });

  it('is tried again later when nobody answers', async () => {
    const silent: Server = createServer((socket) => void socket.resume().on('error', () => undefined)).listen(
      0,
      '127.0.0.1',
    );
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const mailer = mailerOf(`smtp://127.0.0.1:${port}`);
    try {
      await expect(mailer.send(MAIL)).rejects.toMatchObject({ code: 'RETRY_LATER' });
    } finally {
      mailer.onModuleDestroy();
      silent.close();
    }
  });

  it('to a mailbox that is busy for a moment is sent without calling the server away', async () => {
    let tries = 0;
    await using door = await server({
      onRcptTo: (_to, _session, callback) => callback(++tries < 3 ? answer(450, 'mailbox busy') : undefined),
      onData: taken,
    });
    expect(await door.send()).toEqual({ status: 'sent' });
    expect(tries).toBe(3);
  }, 15_000);

  it('to a mailbox that stays busy is tried three times, then later', async () => {
    let tries = 0;
    await using door = await server({
      onRcptTo: (_to, _session, callback) => callback(answer(++tries && 452, 'mailbox full')),
    });
    await expect(door.send()).rejects.toMatchObject({ code: 'RETRY_LATER' });
    expect(tries).toBe(3);
  }, 15_000);
});

function mailerOf(SMTP_URL: string): Mailer {
  const config = new NotificationConfig();
  return new Mailer(
    Object.assign(config, { SMTP_URL, SMTP_TIMEOUT: 500, MAIL_FROM: 'Pavane <orders@pavane.example>' }),
  );
}

async function server(options: SMTPServerOptions, credentials = '', parameters = '') {
  const smtp = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    allowInsecureAuth: true,
    disableReverseLookup: true,
    closeTimeout: 100,
    ...options,
  });
  // A client that leaves in the middle is its own business.
  smtp.on('error', () => undefined);
  smtp.listen(0, '127.0.0.1');
  await once(smtp.server, 'listening');
  const { port } = smtp.server.address() as AddressInfo;
  const mailer = mailerOf(`smtp://${credentials}127.0.0.1:${port}${parameters}`);
  return {
    send: (mail = MAIL) => mailer.send(mail),
    async [Symbol.asyncDispose]() {
      mailer.onModuleDestroy();
      await new Promise<void>((resolve) => smtp.close(() => resolve()));
    },
  };
}
