import { connect } from 'node:net';

/** As many as are worth it: the server syncs what came together at once. */
const CONNECTIONS = 16;
const ENVELOPE = ['250', '250', '354'];

interface Waiting {
  to: string;
  text: string;
  sent(): void;
}

/** SMTP over connections that stay, the envelope in one piece (RFC 2920). */
export class Mail {
  readonly #queue: Waiting[] = [];
  readonly #idle: ((mail: Waiting) => void)[] = [];

  constructor(port: number, fail: (error: unknown) => void) {
    for (let i = 0; i < CONNECTIONS; i++) this.#open(port, fail);
  }

  /** Calls back when the server has taken the mail. */
  send(to: string, text: string, sent: () => void): void {
    const mail = { to, text, sent };
    const send = this.#idle.pop();
    if (send) send(mail);
    else this.#queue.push(mail);
  }

  #open(port: number, fail: (error: unknown) => void): void {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true }).setEncoding('utf8');
    let expected = ['220'];
    let then = (): void => {
      socket.write('EHLO floor\r\n');
      [expected, then] = [['250'], ready];
    };
    const send = (mail: Waiting): void => {
      socket.write(`MAIL FROM:<orders@pavane.example>\r\nRCPT TO:<${mail.to}>\r\nDATA\r\n`);
      expected = [...ENVELOPE];
      then = () => {
        socket.write(`${mail.text}\r\n.\r\n`);
        expected = ['250'];
        then = () => {
          mail.sent();
          ready();
        };
      };
    };
    const ready = (): void => {
      const next = this.#queue.shift();
      if (next) send(next);
      else this.#idle.push(send);
    };
    let rest = '';
    socket.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\r\n');
      rest = lines.pop()!;
      for (const line of lines) {
        // All lines of a reply but its last have a dash after the code.
        if (line[3] === '-') continue;
        const code = expected.shift();
        if (code === undefined || !line.startsWith(code)) return fail(new Error(`the mail server said: ${line}`));
        if (expected.length === 0) then();
      }
    });
    socket.once('error', fail);
    socket.once('close', () => fail(new Error('the mail server closed a connection')));
  }
}
