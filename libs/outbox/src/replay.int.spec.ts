import { eventually } from '@pavane/testing';
import { backlog, replay } from './outbox.js';
import { Broker, Relays } from './relay.fixture.js';

const relays = new Relays();

describe('a replay', () => {
  it('publishes everything stored since then again, under message ids the broker has not seen', async () => {
    const [before] = await relays.leftBehind(['a']);
    const broker = new Broker();
    const relay = relays.to(broker);
    relay.start();
    await relays.allPublished(1);
    await relays.pool.query(`UPDATE messaging.outbox SET created_at = now() - interval '1 hour'`);
    const ids = await relays.leftBehind(['a', 'b']);
    await relays.allPublished(3);
    expect(broker.ids).toEqual([before, ...ids]);

    expect(await replay(relays.pool, new Date(Date.now() - 60_000))).toBe(2);
    await relays.allPublished(3);
    await eventually(() => expect(broker.ids).toHaveLength(5));
    const again = broker.ids.slice(3);
    expect(again.map((id) => id.split(':')[0])).toEqual(ids);
    expect(new Set([...ids, ...again]).size).toBe(4);
  });

  it('does not pass for a backlog as old as what it replays', async () => {
    await relays.leftBehind(['a', 'b'], 60_000);
    await relays.pool.query(`UPDATE messaging.outbox SET created_at = now() - interval '1 hour',
      waiting_since = now() - interval '1 hour', published_at = now() WHERE aggregate_id = 'a'`);
    await replay(relays.pool, new Date(0));
    const { unpublished, oldestMs } = await backlog(relays.pool);
    expect(unpublished).toBe(2);
    expect(oldestMs).toBeLessThan(60_000);
    // What waited all the time is not hidden by what was asked for again.
    await relays.pool.query(
      `UPDATE messaging.outbox SET waiting_since = now() - interval '1 hour' WHERE aggregate_id = 'b'`,
    );
    expect((await backlog(relays.pool)).oldestMs).toBeGreaterThanOrEqual(3_600_000);
  });

  it('asks again for what is published but not yet marked as such', async () => {
    const broker = new Broker();
    const stored = Promise.withResolvers<void>();
    const replayed = Promise.withResolvers<void>();
    broker.answer = () => {
      stored.resolve();
      return replayed.promise;
    };
    const relay = relays.to(broker);
    relay.start();
    const [id] = await relays.leftBehind(['a']);
    await stored.promise;
    broker.answer = () => Promise.resolve();
    await replay(relays.pool, new Date(0));
    replayed.resolve();
    await eventually(() => expect(broker.ids).toHaveLength(2));
    expect(broker.ids.map((known) => known.split(':')[0])).toEqual([id, id]);
    expect(new Set(broker.ids).size).toBe(2);
    await relays.allPublished(1);
  });

  it('does not touch what can never be published', async () => {
    await relays.leftBehind(['a'], 60_000);
    await relays.pool.query(`UPDATE messaging.outbox SET quarantined = 'no'`);
    expect(await replay(relays.pool, new Date(0))).toBe(0);
  });
});
