import { once } from 'node:events';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { Test } from '@nestjs/testing';
import { Observable } from 'rxjs';
import { v7 as uuidv7 } from 'uuid';
import { FollowersHttpController } from './order.followers.http.controller.js';
import { type FollowerEvent, OrderFollowers } from './order.followers.js';

const KB = 1024;
/** What the kernel takes for a client that does not read, many times over. */
const ENOUGH_KB = 256 * KB;

it('a follower who does not read is cut off, and nothing is kept for it', async () => {
  let sentKb = 0;
  let places = 1;
  /** An order that has more to say than any: a history fits into what the kernel takes. */
  const endless = new Observable<FollowerEvent>((subscriber) => {
    const say = () => {
      subscriber.next({ comment: 'x'.repeat(64 * KB) });
      sentKb += 64;
      if (sentKb < ENOUGH_KB && !subscriber.closed) setImmediate(say);
    };
    say();
  });
  const follow = async (_id: string, _after: number, gone: AbortSignal) => {
    gone.addEventListener('abort', () => places--);
    return endless;
  };
  const module = await Test.createTestingModule({
    controllers: [FollowersHttpController],
    providers: [{ provide: OrderFollowers, useValue: { follow } }],
  }).compile();
  const app = module.createNestApplication({ logger: false });
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as AddressInfo;

  const client = connect(port, '127.0.0.1').pause();
  client.on('error', () => undefined);
  client.write(`GET /orders/${uuidv7()}/events HTTP/1.1\r\nHost: x\r\n\r\n`);
  const [connection] = (await once(app.getHttpServer(), 'connection')) as [NodeJS.EventEmitter];
  await once(connection, 'close');
  expect(sentKb).toBeLessThan(ENOUGH_KB);
  expect(places).toBe(0);
  client.destroy();
  await app.close();
});
