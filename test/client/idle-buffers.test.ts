/** What is given up when memory is short: of all applications, what no compositor reads, the oldest first. */
import t from 'tap';
import { IdleBuffers, WISH_INTERVAL_MS } from '../../src/client/idle-buffers.js';
import { SlabArena } from '../../src/slabs/slab-arena.js';
import { settle } from '../relay/peer.js';
import { connectApp, DrawnPool, type AppAndLink } from './app-and-link.js';

const MIB = 1 << 20;

/** Applications of one proxy, each with a window of 4 MiB that was drawn twice. */
async function applications(t: Parameters<typeof connectApp>[0], count: number) {
  const arena = new SlabArena();
  const clock = { now: 0 };
  const idle = new IdleBuffers(arena, () => clock.now);
  clock.now += WISH_INTERVAL_MS;
  const all: AppAndLink[] = [];
  for (let i = 0; i < count; i++) {
    const c = await connectApp(t, { arena, idle });
    const surface = c.app.make(c.factory, 'create_surface');
    const pool = new DrawnPool(c, 4 * MIB);
    const buffer = pool.buffer(0, 1024, 1024);
    for (let n = 0; n < 2; n++) {
      c.app.say(surface, 'attach', [buffer, 0, 0]);
      c.app.say(surface, 'damage_buffer', [0, 0, 1024, 1024]);
      c.app.say(surface, 'commit');
      await settle();
    }
    c.far.release(c.far.held[0]!);
    await settle();
    pool.close();
    all.push(c);
  }
  return { arena, idle, clock, all, kept: () => all.map(({ far }) => far.buffers.size) };
}

t.test('the copies that were used least recently go first, and no more than is needed', async t => {
  const { arena, idle, kept, all } = await applications(t, 4);
  t.equal(arena.bytes, 32 * MIB);
  t.ok(idle.giveUp(5 * MIB));
  await settle();
  t.same(kept(), [1, 1, 2, 2]);
  t.equal(arena.bytes, 24 * MIB);
  t.equal(idle.bytesGivenUp, 8 * MIB);
  t.ok(idle.giveUp(100 * MIB));
  await settle();
  t.same(kept(), [1, 1, 1, 1], 'what the compositor reads stays');
  t.notOk(idle.giveUp(1), 'there is nothing else');
  for (const { far } of all) t.same(far.mistakes, []);
});

t.test('what is shown, and was read, goes last', async t => {
  const { idle, all, kept } = await applications(t, 2);
  all[0]!.far.release(all[0]!.far.held[0]!);
  await settle();
  idle.giveUp(8 * MIB);
  await settle();
  t.same(kept(), [1, 1]);
  idle.giveUp(4 * MIB);
  await settle();
  t.same(kept(), [0, 1]);
});

t.test('the wish of another program of the VM is heard, once in a while', async t => {
  const { idle, clock, kept, all } = await applications(t, 3);
  for (const { far } of all) far.short(4 * MIB);
  await settle();
  t.same(kept(), [1, 2, 2], 'it was told on every connection, and meant once');
  clock.now += WISH_INTERVAL_MS - 1;
  idle.wished(4 * MIB);
  t.equal(idle.bytesGivenUp, 4 * MIB, 'not yet');
  clock.now += 1;
  idle.wished(4 * MIB);
  t.equal(idle.bytesGivenUp, 8 * MIB, 'it is heard again');
  await settle();
  t.same(kept(), [1, 1, 2]);
});
