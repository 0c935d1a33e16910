import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** How long a connection that has not sent anything may take to do so once intake has stopped, in milliseconds. */
const UNUSED_MS = 200;

/**
 * Lets an HTTP server stop without cutting anybody off: requests in flight are answered, on connections that close
 * after the answer. Event streams, which would never end, are ended: their clients reconnect elsewhere.
 */
export class HttpDrain {
  private readonly responses = new Set<ServerResponse>();
  private readonly sockets = new Set<Socket>();
  private leaving = false;
  private draining = false;

  constructor(private readonly server: Server) {
    server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
    // Before Express, which sends headers.
    server.prependListener('request', (_request: IncomingMessage, response: ServerResponse) => this.track(response));
  }

  /** Requests being answered at this moment. */
  get inFlight(): number {
    return this.responses.size;
  }

  /**
   * Goes on serving, and ends each connection with its next answer: who keeps connections open goes elsewhere in time, and
   * nobody sends a request on one at the moment it is closed.
   */
  turnAway(): void {
    this.leaving = true;
  }

  /** Accepts nothing new. Resolves when every connection is gone. */
  stop(): Promise<void> {
    this.leaving = true;
    this.draining = true;
    // close() also closes the connections that wait between two requests.
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const response of this.responses) this.closeAfter(response);
    // Node counts a connection as busy that was opened ahead and never used, up to its headers timeout of a minute.
    setTimeout(() => {
      for (const socket of this.sockets) if (socket.bytesRead === 0) socket.destroy();
    }, UNUSED_MS);
    return closed;
  }

  private track(response: ServerResponse): void {
    this.responses.add(response);
    this.watchHead(response);
    if (this.draining) this.closeAfter(response);
    response.once('close', () => {
      this.responses.delete(response);
      if (this.draining) setImmediate(() => this.server.closeIdleConnections());
    });
  }

  private closeAfter(response: ServerResponse): void {
    if (!response.headersSent) response.setHeader('Connection', 'close');
    else if (isEventStream(response)) endStream(response);
  }

  /** Only its head tells an event stream; it may be written once the drain has begun, and Node has no event for it. */
  private watchHead(response: ServerResponse): void {
    const writeHead = response.writeHead.bind(response) as (...head: unknown[]) => ServerResponse;
    response.writeHead = (...head: unknown[]) => {
      // Heads given as an object are readable afterwards only when one was set before: Node keeps them to itself.
      const given = head.at(-1);
      if (given && typeof given === 'object' && !Array.isArray(given)) {
        for (const [name, value] of Object.entries(given)) response.setHeader(name, value as string);
        head.pop();
      }
      if (this.leaving) response.setHeader('Connection', 'close');
      writeHead(...head);
      // The first message follows its head at once: let it out.
      if (this.draining && isEventStream(response)) setImmediate(endStream, response);
      return response;
    };
  }
}

function isEventStream(response: ServerResponse): boolean {
  return String(response.getHeader('Content-Type')).startsWith('text/event-stream');
}

function endStream(response: ServerResponse): void {
  // Its source learns of the end a moment later. What it writes until then is lost, and no fault.
  response.on('error', () => undefined);
  response.end();
}
