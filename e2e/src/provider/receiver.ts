import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Notice } from '@pavane/payment/provider';

/** Where a provider under test sends its notices, and what it has sent. */
export async function receiveNotices() {
  const notices: Notice[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { headers } = request;
      notices.push({ header: (name) => headers[name] as string | undefined, body: Buffer.concat(chunks) });
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    notices,
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}
