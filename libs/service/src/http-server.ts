import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { ExpressAdapter } from '@nestjs/platform-express';

/** A request of at most BODY_LIMIT is sent in less, or its sender means to hold the connection. */
const REQUEST_MS = 30_000;
/** Longer than the minute proxies keep idle connections: whoever closes first must be the one who sends. */
const KEEP_ALIVE_MS = 65_000;
/** How long, and for how many bytes more, somebody may go on sending who has been answered. */
const LINGER_MS = 1_000;
const LINGER_BYTES = 1024 * 1024;

/**
 * Express on an HTTP server that waits for no client longer than it says, and takes in no more than it wants: a request is
 * there within `requestMs`, or is answered with 408; the body of a request that was answered without it is not drained.
 */
export class ServiceHttpAdapter extends ExpressAdapter {
  constructor(private readonly requestMs = REQUEST_MS) {
    super();
  }

  override initHttpServer(): void {
    const server = createServer(
      {
        keepAliveTimeout: KEEP_ALIVE_MS,
        requestTimeout: this.requestMs,
        // Node would look every half minute only.
        connectionsCheckingInterval: Math.min(1_000, this.requestMs / 10),
      },
      this.getInstance(),
    );
    server.prependListener('request', leaveUnread);
    // Whoever asks before sending a body is told to go on by the one who reads it, or is answered.
    server.on('checkContinue', (request, response) => server.emit('request', request, response));
    this.httpServer = server;
  }
}

/** Ends the connection of somebody who goes on sending after the answer, who first gets time to read it. */
function leaveUnread(request: IncomingMessage, response: ServerResponse): void {
  response.prependOnceListener('finish', () => {
    if (request.complete) return;
    const { socket } = request;
    let left = LINGER_BYTES;
    // Read here, or Node would drain it to its end.
    request
      .on('data', (chunk: Buffer) => {
        left -= chunk.length;
        if (left < 0) socket.destroy();
      })
      .resume();
    const timer = setTimeout(() => socket.destroy(), LINGER_MS);
    request.once('close', () => clearTimeout(timer));
  });
}
