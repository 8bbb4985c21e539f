/** Remote clients on a compositor, by the glue: their memory, their keymaps, their limits, and how they end. */
import { setTimeout as pause } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { MAX_VMS } from '../../compositor-glue/glue.js';
import { MAX_SLAB_BYTES, Refused, TELL_AFTER_MS } from '../../compositor-glue/slab.js';
import { MAX_KEYMAPS, SHORT_INTERVAL_MS } from '../../compositor-glue/vm-account.js';
import { KINDS } from '../../src/firewall/population.js';
import { MAX_KEYMAP_BYTES } from '../../src/relay/keymap.js';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { fromTimestamp } from '../../src/wayland/timestamp.js';
import { MAX_TRANSFERS } from '../../src/relay/transfers.js';
import { Memory } from '../../src/virtwl/vfd.js';
import { eventually } from '../eventually.js';
import { Holdings } from '../holdings.js';
import { settle, type Peer } from '../relay/peer.js';
import { GlueBetween, GLOBALS, nameOf, type Remote } from './glue-between.js';

const before = new Holdings();

const MIB = 1 << 20;
/** wl_display.error */
const INVALID_OBJECT = 0;
const NO_MEMORY = 2;
/** wl_shm.error.invalid_fd */
const INVALID_FD = 2;

/** Runs with a glue, and checks that nothing is held and nothing is on any account afterwards. */
function withGlue(
  name: string,
  body: (t: Test, g: GlueBetween) => Promise<void>,
  options: ConstructorParameters<typeof GlueBetween>[0] = {},
): void {
  t.test(name, async t => {
    const held = new Holdings();
    const g = new GlueBetween(options);
    try {
      await body(t, g);
    } finally {
      g.close();
    }
    t.equal(g.glue.clientCount, 0);
    await held.assertSame(t);
  });
}

/** Binds the memory extension. */
function memoryOf(r: Remote): number {
  return r.client.bind(r.registry, r.memoryName, 'virtwl_memory_v1', 1);
}

async function fails(t: Test, client: Peer, object: number, code: number, message: RegExp): Promise<void> {
  await client.isEnded();
  t.match(client.last('wl_display.error').args, [object, code, message]);
}

function memfd(size: number, text = ''): OwnedFd {
  const fd = native.memfd('virtwl-glue-test', size, 0);
  if (text !== '') native.write(fd, Buffer.from(text), 0, text.length);
  return new OwnedFd(fd);
}

function textOf(fd: OwnedFd, length: number): string {
  const mapping = native.map(fd.fd, 0, length, false);
  const text = Buffer.from(mapping.buffer).toString();
  mapping.unmap();
  return text;
}

withGlue('a remote client sees the memory first, then what it may have', async (t, g) => {
  const r = await g.arrive('work');
  t.equal(g.glue.clientCount, 1);
  const seen = (): unknown[] => r.client.all('wl_registry.global').map(({ args }) => args[1]);
  const allowed = GLOBALS.map(([name]) => name).filter(name => !name.startsWith('zwlr'));
  const all = ['virtwl_memory_v1', 'virtwl_clock_v1', ...allowed];
  t.same(seen(), all);
  const second = r.client.make(1, 'get_registry');
  await settle();
  t.same(seen(), [...all, ...all]);
  for (const registry of [r.registry, second]) r.client.bind(registry, r.memoryName, 'virtwl_memory_v1', 1);
  r.client.bind(second, nameOf('wl_seat'), 'wl_seat', 8);
  await r.client.roundtrip();
  t.notOk(
    r.compositor.received.some(({ args }) => JSON.stringify(args).includes('virtwl')),
    'the compositor receives no request of ours',
  );
  t.same(g.left, []);
  r.client.bind(second, r.memoryName, 'virtwl_memory_v1', 3);
  await fails(t, r.client, second, INVALID_OBJECT, /invalid global virtwl_memory_v1/);
});

withGlue('a remote client may ask for the clock of this VM', async (t, g) => {
  const r = await g.arrive('work');
  const announced = r.client.all('wl_registry.global').find(({ args }) => args[1] === 'virtwl_clock_v1')!;
  const clock = r.client.bind(r.registry, announced.args[0] as number, 'virtwl_clock_v1', 1);
  const before = process.hrtime.bigint();
  r.client.say(clock, 'read', [77]);
  const [serial, tv_sec_hi, tv_sec_lo, tv_nsec] = (await r.client.receives('virtwl_clock_v1.time')).args as number[];
  const time = fromTimestamp({ tv_sec_hi: tv_sec_hi!, tv_sec_lo: tv_sec_lo!, tv_nsec: tv_nsec! });
  t.equal(serial, 77);
  t.ok(before <= time && time <= process.hrtime.bigint());
  r.client.say(clock, 'destroy');
  await r.client.roundtrip();
  t.same(g.left, []);
  t.notOk(r.compositor.received.some(({ args }) => JSON.stringify(args).includes('virtwl')));
});

withGlue('a slab is one memory for client, glue and compositor, on the account of its VM', async (t, g) => {
  const r = await g.arrive('work');
  const memory = memoryOf(r);
  const slab = r.client.make(memory, 'allocate', ['new', MIB]);
  const { args } = await r.client.receives('virtwl_slab_v1.memory');
  t.equal(args[1], MIB);
  t.equal(g.glue.bytesOf('work'), MIB);
  t.same(g.allocator!.asked, [MIB]);
  const mapping = native.map((args[0] as OwnedFd).fd, 0, MIB, true);
  Buffer.from(mapping.buffer).write('pixels of the client');
  const pool = r.client.make(slab, 'create_pool');
  const buffer = r.client.make(pool, 'create_buffer', ['new', 4096, 16, 16, 64, 0]);
  await settle(16);
  const made = r.compositor.last('wl_shm.create_pool').args;
  t.equal(made[2], MIB);
  t.equal(textOf(made[1] as OwnedFd, 20), 'pixels of the client');
  t.match(r.compositor.last('wl_shm_pool.create_buffer'), { id: made[0], args: [Number, 4096, 16, 16, 64, 0] });
  const second = r.client.make(slab, 'create_pool');
  await settle(16);
  t.equal(r.compositor.all('wl_shm.create_pool').length, 2, 'there may be several pools over it');

  r.client.say(memory, 'destroy');
  r.client.say(slab, 'destroy');
  for (const object of [pool, second]) r.client.say(object, 'destroy');
  await r.client.roundtrip();
  t.equal(g.glue.bytesOf('work'), MIB, 'a buffer keeps it in the compositor, and so on the account');
  r.client.say(buffer, 'destroy');
  await r.client.roundtrip();
  t.equal(g.glue.bytesOf('work'), 0);
  t.same(
    r.client
      .all('wl_display.delete_id')
      .map(({ args: [id] }) => id)
      .filter(id => id === memory || id === slab),
    [memory, slab],
  );
  mapping.unmap();
});

withGlue('a size that no slab has is refused, and costs nothing', async (t, g) => {
  const r = await g.arrive('work');
  const memory = memoryOf(r);
  for (const size of [0, MAX_SLAB_BYTES + 1, 0x80000000, 0xffffffff]) {
    const slab = r.client.make(memory, 'allocate', ['new', size]);
    await settle();
    t.match(r.client.last('virtwl_slab_v1.refused'), {
      id: slab,
      args: [Refused.BadSize, new RegExp(`a slab of ${size} bytes`)],
    });
    r.client.say(slab, 'destroy');
  }
  t.same(g.allocator!.asked, []);
  await r.client.roundtrip();
  t.equal(g.glue.bytesOf('work'), 0, 'destroying what was refused takes nothing off the account');
  t.same(g.left, []);
});

withGlue(
  'the largest slab may be had where the share allows it',
  async (t, g) => {
    const r = await g.arrive('work');
    r.client.make(memoryOf(r), 'allocate', ['new', MAX_SLAB_BYTES]);
    await r.client.receives('virtwl_slab_v1.memory');
    t.same(g.allocator!.asked, [MAX_SLAB_BYTES]);
    t.equal(g.glue.bytesOf('work'), MAX_SLAB_BYTES);
  },
  { policy: { memory: 2 ** 32, buffer: MAX_SLAB_BYTES } },
);

withGlue(
  'a buffer may be as large as the policy says, and no larger',
  async (t, g) => {
    const r = await g.arrive('work');
    const memory = memoryOf(r);
    r.client.make(memory, 'allocate', ['new', 3 * MIB]);
    await r.client.receives('virtwl_slab_v1.memory');
    r.client.make(memory, 'allocate', ['new', 3 * MIB + 1]);
    const { args } = await r.client.receives('virtwl_slab_v1.refused');
    t.match(args, [Refused.OverShare, 'a buffer of 3145729 bytes: VM "work" may have one of 3145728 at most']);
    await r.client.roundtrip();
    t.same([g.allocator!.asked, g.left], [[3 * MIB], []]);
  },
  { policy: { buffer: 3 * MIB } },
);

withGlue(
  'a VM gets its share to the last byte, for any of its clients, and not one more',
  async (t, g) => {
    const [one, two, other] = [await g.arrive('work'), await g.arrive('work'), await g.arrive('play')];
    const [m1, m2, m3] = [memoryOf(one), memoryOf(two), memoryOf(other)];
    const slab = one.client.make(m1, 'allocate', ['new', 6 * 4096]);
    two.client.make(m2, 'allocate', ['new', 4 * 4096 + 1]);
    await settle(16);
    t.match(two.client.last('virtwl_slab_v1.refused').args, [
      Refused.OverShare,
      /16385 bytes more than VM "work" may have: it uses 24576 of 40960/,
    ]);
    two.client.make(m2, 'allocate', ['new', 4 * 4096]);
    other.client.make(m3, 'allocate', ['new', 10 * 4096]);
    await settle(16);
    t.equal(two.client.all('virtwl_slab_v1.memory').length, 1);
    t.equal(other.client.all('virtwl_slab_v1.memory').length, 1, 'another VM has its own');
    t.match([g.glue.bytesOf('work'), g.glue.bytesOf('play')], [10 * 4096, 10 * 4096]);
    one.client.make(m1, 'allocate', ['new', 1]);
    await settle(16);
    t.equal(one.client.all('virtwl_slab_v1.refused').length, 1);
    one.client.say(slab, 'destroy');
    one.client.make(m1, 'allocate', ['new', 1]);
    await settle(16);
    t.equal(one.client.all('virtwl_slab_v1.memory').length, 2, 'what is given back can be had again');
    two.client.close();
    await eventually('the share of a client that left is back', () => g.glue.bytesOf('work') === 1);
  },
  { policy: { memory: 10 * 4096 } },
);

const SLABS = KINDS.find(({ name }) => name === 'slabs')!.most;

for (const limits of [{}, { slabs: 40 }]) {
  const most = limits.slabs ?? SLABS;
  withGlue(
    `a VM has at most ${most} slabs, whichever of its clients has them`,
    async (t, g) => {
      const [one, two, other] = [await g.arrive('work'), await g.arrive('work'), await g.arrive('play')];
      const [m1, m2, m3] = [memoryOf(one), memoryOf(two), memoryOf(other)];
      two.client.make(m2, 'allocate', ['new', 4096]);
      await two.client.receives('virtwl_slab_v1.memory');
      for (let n = 1; n < most; n++) one.client.make(m1, 'allocate', ['new', 4096]);
      await one.client.receives('virtwl_slab_v1.memory', most - 1);
      t.same(one.client.all('virtwl_slab_v1.refused'), []);
      two.client.make(m2, 'allocate', ['new', 4096]);
      const refused = await two.client.receives('virtwl_slab_v1.refused');
      t.match(refused.args, [Refused.OverShare, new RegExp(`and ${most} of ${most} slabs$`)]);
      t.same(g.refused, [], 'that may be over soon');
      await eventually('the log of this end says it too', () => {
        two.client.make(m2, 'allocate', ['new', 4096]);
        return g.refused.length > 0;
      });
      t.same(g.refused, [{ vm: 'work', reason: refused.args[1] }]);
      t.equal(g.glue.bytesOf('work'), most * 4096);
      other.client.make(m3, 'allocate', ['new', 4096]);
      await other.client.receives('virtwl_slab_v1.memory');
      one.client.close();
      await eventually('they are given back', () => g.glue.bytesOf('work') === 4096);
      two.client.make(m2, 'allocate', ['new', 4096]);
      await two.client.receives('virtwl_slab_v1.memory', 2);
      await two.client.roundtrip();
      t.same([g.glue.slabsByVm().work, g.refused.length], [2, 1]);
    },
    { policy: { limits } },
  );
}

withGlue('a slab may be joined by its key, by clients of its VM, and is charged once', async (t, g) => {
  const [one, two, other] = [await g.arrive('work'), await g.arrive('work'), await g.arrive('play')];
  const version2 = (r: Remote): number => r.client.bind(r.registry, r.memoryName, 'virtwl_memory_v1', 2);
  const [m1, m2, m3] = [version2(one), version2(two), version2(other)];
  const slab = one.client.make(m1, 'allocate', ['new', MIB]);
  await one.client.receives('virtwl_slab_v1.memory');
  const key = one.client.last('virtwl_slab_v1.key').args[0] as string;
  t.match(key, /^[0-9a-f]{32}$/);

  const part = two.client.make(m2, 'join', ['new', key]);
  await two.client.receives('virtwl_slab_v1.joined');
  const pool = two.client.make(part, 'create_pool');
  const buffer = two.client.make(pool, 'create_buffer', ['new', 8192, 16, 16, 64, 0]);
  await two.client.roundtrip();
  t.equal(two.compositor.last('wl_shm.create_pool').args[2], MIB);
  t.same([g.glue.bytesOf('work'), g.glue.slabsByVm()], [MIB, { work: 1, play: 0 }]);
  t.same(g.allocator!.asked, [MIB]);

  for (const [r, memory, wrong] of [
    [other, m3, key],
    [two, m2, key.replace(/./, 'g')],
    [two, m2, ''],
  ] as const) {
    const refused = r.client.make(memory, 'join', ['new', wrong]);
    await r.client.roundtrip();
    t.match(r.client.last('virtwl_slab_v1.refused'), { id: refused, args: [Refused.NoSuchSlab, /no slab of this VM/] });
  }
  t.same(g.refused, [], 'that is no shortage');

  one.client.say(slab, 'destroy');
  await one.client.roundtrip();
  t.equal(g.glue.bytesOf('work'), MIB, 'the other still has it');
  one.client.close();
  for (const object of [part, pool]) two.client.say(object, 'destroy');
  await two.client.roundtrip();
  t.equal(g.glue.bytesOf('work'), MIB, 'a buffer of it is in the compositor');
  two.client.say(buffer, 'destroy');
  await two.client.roundtrip();
  t.equal(g.glue.bytesOf('work'), 0);
  two.client.make(m2, 'join', ['new', key]);
  await two.client.receives('virtwl_slab_v1.refused', 3);
});

withGlue('a slab outlives the client that asked for it, as long as another has joined', async (t, g) => {
  const [one, two] = [await g.arrive('work'), await g.arrive('work')];
  const version2 = (r: Remote): number => r.client.bind(r.registry, r.memoryName, 'virtwl_memory_v1', 2);
  one.client.make(version2(one), 'allocate', ['new', MIB]);
  await one.client.receives('virtwl_slab_v1.memory');
  const part = two.client.make(version2(two), 'join', ['new', one.client.last('virtwl_slab_v1.key').args[0]]);
  await two.client.receives('virtwl_slab_v1.joined');
  one.client.close();
  await eventually('it left', () => g.glue.clientCount === 1);
  two.client.make(part, 'create_pool');
  await two.client.roundtrip();
  t.equal(two.compositor.all('wl_shm.create_pool').length, 1);
  t.equal(g.glue.bytesOf('work'), MIB);
  two.client.close();
  await eventually('all is back', () => g.glue.bytesOf('work') === 0);
});

withGlue(
  'when one client of a VM is refused memory, the others are told, not too often',
  async (t, g) => {
    const [one, two, old, other] = [
      await g.arrive('work'),
      await g.arrive('work'),
      await g.arrive('work'),
      await g.arrive('play'),
    ];
    const version2 = (r: Remote): number => r.client.bind(r.registry, r.memoryName, 'virtwl_memory_v1', 2);
    const [m1] = [version2(one), version2(two), memoryOf(old), version2(other)];
    for (const r of [two, old, other]) await r.client.roundtrip();
    for (let i = 0; i < 20; i++) one.client.make(m1, 'allocate', ['new', 2 * MIB]);
    await one.client.receives('virtwl_slab_v1.refused', 20);
    t.match((await two.client.receives('virtwl_memory_v1.short')).args, [2 * MIB]);
    for (const r of [one, two, old, other]) await r.client.roundtrip();
    t.ok(two.client.all('virtwl_memory_v1.short').length < 20);
    for (const r of [one, old, other]) t.same(r.client.all('virtwl_memory_v1.short'), []);
  },
  { policy: { memory: MIB } },
);

withGlue(
  'a client is told once that another is short, however many objects it has for that',
  async (t, g) => {
    const [one, two] = [await g.arrive('work'), await g.arrive('work')];
    const version2 = (r: Remote): number => r.client.bind(r.registry, r.memoryName, 'virtwl_memory_v1', 2);
    const m1 = version2(one);
    const [first, second] = Array.from({ length: 50 }, () => version2(two));
    await two.client.roundtrip();
    one.client.make(m1, 'allocate', ['new', 2 * MIB]);
    await one.client.receives('virtwl_slab_v1.refused');
    await two.client.roundtrip();
    t.same(
      two.client.all('virtwl_memory_v1.short').map(({ id }) => id),
      [first],
    );
    two.client.say(first!, 'destroy');
    await two.client.roundtrip();
    // A timer may end some of a millisecond early.
    await pause(SHORT_INTERVAL_MS + 10);
    one.client.make(m1, 'allocate', ['new', 2 * MIB]);
    await one.client.receives('virtwl_slab_v1.refused', 2);
    await two.client.roundtrip();
    t.equal(two.client.last('virtwl_memory_v1.short').id, second, 'by another when that is gone');
  },
  { policy: { memory: MIB } },
);

withGlue(
  'a client that is content with less is not short; one that has to go without is, and is told of once',
  async (t, g) => {
    const [content, short] = [await g.arrive('work'), await g.arrive('play')];
    const [m1, m2] = [memoryOf(content), memoryOf(short)];
    content.client.make(m1, 'allocate', ['new', 2 * MIB]);
    short.client.make(m2, 'allocate', ['new', 2 * MIB]);
    await content.client.receives('virtwl_slab_v1.refused');
    content.client.make(m1, 'allocate', ['new', 4096]);
    await content.client.receives('virtwl_slab_v1.memory');
    await eventually('it is told', () => g.refused.length > 0);
    const reason = 'VM "play" may have: it uses 0 of 1048576 bytes and 0 of 352 slabs';
    t.match(g.refused, [{ vm: 'play', reason: `2097152 bytes more than ${reason}` }]);
    short.client.make(m2, 'allocate', ['new', 4096]);
    short.client.make(m2, 'allocate', ['new', 2 * MIB]);
    await short.client.receives('virtwl_slab_v1.refused', 2);
    await pause(TELL_AFTER_MS + 200);
    t.equal(g.refused.length, 1, 'it is the same shortage, although it got a part');
  },
  { policy: { memory: MIB } },
);

withGlue('a pool before its memory is a mistake', async (t, g) => {
  g.allocator!.mode = 'wait';
  const r = await g.arrive('work');
  const slab = r.client.make(memoryOf(r), 'allocate', ['new', 4096]);
  r.client.make(slab, 'create_pool');
  await fails(t, r.client, slab, 0, /before the memory of the slab has arrived/);
  t.equal(g.glue.bytesOf('work'), 4096, 'it is on its way: it counts');
  g.allocator!.release();
  await eventually('until it is here and given back', () => g.glue.bytesOf('work') === 0);
});

withGlue('a pool over a slab that was refused is a mistake too', async (t, g) => {
  const r = await g.arrive('work');
  const slab = r.client.make(memoryOf(r), 'allocate', ['new', 0]);
  r.client.make(slab, 'create_pool');
  await fails(t, r.client, slab, 0, /before the memory/);
});

withGlue(
  'a slab destroyed while its memory is on its way counts until that is here',
  async (t, g) => {
    g.allocator!.mode = 'wait';
    const r = await g.arrive('work');
    const memory = memoryOf(r);
    for (let i = 0; i < 5; i++) {
      const slab = r.client.make(memory, 'allocate', ['new', 4096]);
      r.client.say(slab, 'destroy');
    }
    await settle(16);
    t.equal(g.allocator!.asked.length, 4, 'one who asks and destroys gets no more at a time than its share');
    t.equal(r.client.all('virtwl_slab_v1.refused').length, 1);
    t.equal(g.glue.bytesOf('work'), 4 * 4096);
    r.client.close();
    await eventually('it left', () => g.glue.clientCount === 0);
    t.equal(g.glue.bytesOf('work'), 4 * 4096, 'leaving changes nothing');
    const again = await g.arrive('work');
    again.client.make(memoryOf(again), 'allocate', ['new', 4096]);
    t.match((await again.client.receives('virtwl_slab_v1.refused')).args, [Refused.OverShare]);
    g.allocator!.release();
    await eventually('all is back', () => g.glue.bytesOf('work') === 0);
    t.same(r.client.all('virtwl_slab_v1.memory'), []);
  },
  { policy: { memory: 4 * 4096 } },
);

withGlue(
  'a slab is on the account of its VM until the host says that nobody holds it',
  async (t, g) => {
    g.allocator!.notices = true;
    const r = await g.arrive('work');
    const memory = memoryOf(r);
    const slab = r.client.make(memory, 'allocate', ['new', 3 * MIB]);
    const kept = r.client.takeFd((await r.client.receives('virtwl_slab_v1.memory')).args[0]);
    r.client.say(slab, 'destroy');
    r.client.make(memory, 'allocate', ['new', 2 * MIB]);
    await r.client.roundtrip();
    t.equal(g.glue.bytesOf('work'), 3 * MIB, 'the client has destroyed it, and another process holds it');
    t.equal(g.allocator!.asked.length, 1, 'what is asked for now waits');
    g.allocator!.tellGone();
    await r.client.receives('virtwl_slab_v1.memory', 2);
    t.equal(g.glue.bytesOf('work'), 2 * MIB);

    r.client.close();
    await eventually('it left', () => g.glue.clientCount === 0);
    t.equal(g.glue.bytesOf('work'), 2 * MIB, 'also when the client has left');
    g.allocator!.tellGone();
    await eventually('nothing to be on any account', () => Object.keys(g.glue.bytesByVm()).length === 0);
    kept.close();
  },
  { policy: { memory: 4 * MIB } },
);

withGlue(
  'a VM that keeps what it gave back is refused more, after a moment',
  async (t, g) => {
    g.allocator!.notices = true;
    const r = await g.arrive('work');
    const memory = memoryOf(r);
    const slab = r.client.make(memory, 'allocate', ['new', 3 * MIB]);
    await r.client.receives('virtwl_slab_v1.memory');
    r.client.say(slab, 'destroy');
    r.client.make(memory, 'allocate', ['new', 2 * MIB]);
    const { args } = await r.client.receives('virtwl_slab_v1.refused');
    t.match(args, [2, /it uses 3145728 of 4194304 bytes/]);
    g.allocator!.tellGone();
    await eventually('it to be gone', () => g.glue.bytesOf('work') === 0);
  },
  { policy: { memory: 4 * MIB } },
);

withGlue(
  'no more requests wait for what is about to come back than there may be slabs',
  async (t, g) => {
    g.allocator!.notices = true;
    const r = await g.arrive('work');
    const memory = memoryOf(r);
    r.client.say(r.client.make(memory, 'allocate', ['new', 3 * MIB]), 'destroy');
    await eventually('it is lent, and given back', () => g.allocator!.asked.length === 1);
    await r.client.roundtrip();
    for (let n = 0; n < 4; n++) {
      r.client.say(r.client.make(memory, 'allocate', ['new', 2 * MIB]), 'destroy');
    }
    await r.client.roundtrip();
    t.same(r.client.all('virtwl_slab_v1.refused'), []);
    const late = r.client.make(memory, 'allocate', ['new', 2 * MIB]);
    await r.client.roundtrip();
    t.same(
      r.client.all('virtwl_slab_v1.refused').map(({ id }) => id),
      [late],
      'also by one who asks and lets go',
    );
    g.allocator!.tellGone();
    await eventually('it to be gone', () => g.glue.bytesOf('work') === 0);
    t.same(g.allocator!.asked, [3 * MIB], 'for those that have let go nothing is asked');
  },
  { policy: { memory: 4 * MIB, limits: { slabs: 4 } } },
);

withGlue('each VM has its own connection to the allocator', async (t, g) => {
  for (const vm of ['work', 'play']) {
    const r = await g.arrive(vm);
    r.client.make(memoryOf(r), 'allocate', ['new', 4096]);
    await r.client.receives('virtwl_slab_v1.memory');
  }
  t.equal(g.allocator!.connections, 2);
});

withGlue('what the allocator refuses is refused with its reason', async (t, g) => {
  g.allocator!.mode = 'refuse';
  const r = await g.arrive('work');
  const memory = memoryOf(r);
  const slab = r.client.make(memory, 'allocate', ['new', 4096]);
  t.match((await r.client.receives('virtwl_slab_v1.refused')).args, [Refused.Allocator, /over the VM's budget/]);
  t.equal(g.glue.bytesOf('work'), 0);
  r.client.say(slab, 'destroy');
  g.allocator!.mode = 'grant';
  r.client.make(memory, 'allocate', ['new', 4096]);
  await r.client.receives('virtwl_slab_v1.memory');
  t.equal(g.glue.bytesOf('work'), 4096);
});

withGlue('an allocator that dies is asked anew, and what was on its way is refused', async (t, g) => {
  g.allocator!.mode = 'wait';
  const r = await g.arrive('work');
  const memory = memoryOf(r);
  for (let i = 0; i < 3; i++) r.client.make(memory, 'allocate', ['new', 4096]);
  await settle(16);
  g.allocator!.hangUp();
  await r.client.receives('virtwl_slab_v1.refused', 3);
  t.match(r.client.last('virtwl_slab_v1.refused').args, [Refused.Allocator, /allocator closed the connection/]);
  t.equal(g.glue.bytesOf('work'), 0);
  g.allocator!.mode = 'grant';
  r.client.make(memory, 'allocate', ['new', 4096]);
  await r.client.receives('virtwl_slab_v1.memory');
  t.equal(g.allocator!.connections, 1);
});

withGlue(
  'without an allocator every slab is refused, with the reason',
  async (t, g) => {
    const r = await g.arrive('work');
    r.client.make(memoryOf(r), 'allocate', ['new', 4096]);
    t.match((await r.client.receives('virtwl_slab_v1.refused')).args, [Refused.Allocator, /allocator/]);
    t.equal(g.glue.bytesOf('work'), 0);
  },
  { withoutAllocator: true },
);

withGlue('a pool over a slab has its size', async (t, g) => {
  const r = await g.arrive('work');
  const slab = r.client.make(memoryOf(r), 'allocate', ['new', 4096]);
  await r.client.receives('virtwl_slab_v1.memory');
  const pool = r.client.make(slab, 'create_pool');
  r.client.say(pool, 'resize', [8192]);
  await fails(t, r.client, pool, INVALID_FD, /cannot be resized/);
  t.same(r.compositor.all('wl_shm_pool.resize'), []);
});

for (const [what, code, message, buffer] of [
  ['in a format that was not announced', 0, /no pixel format 0x2/, [0, 16, 16, 64, 2]],
  ['that begins before its pool', 1, /a buffer of 16x16 at -4/, [-4, 16, 16, 64, 0]],
  ['that ends behind its pool', 1, /invalid width, height or stride/, [4096 - 1023, 16, 16, 64, 0]],
  ['of no width', 1, /a buffer of 0x16/, [0, 0, 16, 64, 0]],
  ['whose rows overflow', 1, /a buffer of 300x200/, [0, 300, 200, 0x7fffffff, 0]],
] as const) {
  withGlue(`a buffer ${what} is refused before the compositor refuses it`, async (t, g) => {
    const r = await g.arrive('work');
    const shm = r.client.bind(r.registry, nameOf('wl_shm'), 'wl_shm', 1);
    await settle(16);
    for (const { args } of r.compositor.all('wl_registry.bind')) {
      for (const format of [0, 1]) r.compositor.say((args[1] as { id: number }).id, 'format', [format]);
    }
    await r.client.roundtrip();
    const pool = r.client.make(shm, 'create_pool', ['new', memfd(4096), 4096]);
    r.client.make(pool, 'create_buffer', ['new', 4096 - 1024, 16, 16, 64, 0]);
    await r.client.roundtrip();
    t.same(g.left, [], 'one that fits is passed on');
    t.same(r.client.faults, [], 'what the glue’s own wl_shm is told, is not told to the client');
    r.client.make(pool, 'create_buffer', ['new', ...buffer]);
    await fails(t, r.client, pool, code, message);
    t.equal(r.compositor.all('wl_shm_pool.create_buffer').length, 1);
  });
}

withGlue('memory that the client VM brought itself is a pool like any other', async (t, g) => {
  const r = await g.arrive('work');
  const shm = r.client.bind(r.registry, nameOf('wl_shm'), 'wl_shm', 1);
  const pool = r.client.make(shm, 'create_pool', ['new', memfd(8192, 'its own'), 4096]);
  r.client.say(pool, 'resize', [8192]);
  await settle(16);
  const { args } = r.compositor.last('wl_shm.create_pool');
  t.equal(args[2], 4096);
  t.equal(textOf(args[1] as OwnedFd, 7), 'its own');
  t.match(r.compositor.last('wl_shm_pool.resize').args, [8192]);
  t.equal(g.glue.bytesOf('work'), 0, 'it is not ours to count');
});

withGlue(
  'where memory is mapped only as a whole, a pool is as large as it, and the client sees its own size',
  async (t, g) => {
    // As by virtio_gpu, which loopback does not stand in for.
    t.intercept(Memory.prototype, 'poolBytes', { value: (size: number) => Math.max(size, 8192) });
    const r = await g.arrive('work');
    const slab = r.client.make(memoryOf(r), 'allocate', ['new', 5000]);
    await r.client.receives('virtwl_slab_v1.memory');
    r.client.make(slab, 'create_pool');
    const shm = r.client.bind(r.registry, nameOf('wl_shm'), 'wl_shm', 1);
    const pool = r.client.make(shm, 'create_pool', ['new', memfd(16384), 4096]);
    r.client.say(pool, 'resize', [8192]);
    r.client.make(pool, 'create_buffer', ['new', 4096, 32, 32, 128, 0]);
    await settle(16);
    const sizes = r.compositor.all('wl_shm.create_pool').map(({ args }) => args[2]);
    t.same(sizes, [8192, 8192]);
    t.equal(r.compositor.all('wl_shm_pool.create_buffer').length, 1);
    t.same(r.compositor.all('wl_shm_pool.resize'), [], 'it is as large already');
    r.client.say(pool, 'resize', [12288]);
    await settle(16);
    t.match(r.compositor.last('wl_shm_pool.resize').args, [12288]);
    const small = r.client.make(shm, 'create_pool', ['new', memfd(8192), 4096]);
    r.client.make(small, 'create_buffer', ['new', 4096, 16, 16, 64, 0]);
    await fails(t, r.client, small, 1, /invalid width, height or stride/);
  },
);

withGlue(`a VM has at most ${SLABS} slabs in the compositor, memory that it brought included`, async (t, g) => {
  const [one, two, other] = [await g.arrive('work'), await g.arrive('work'), await g.arrive('play')];
  const shmOf = (r: Remote): number => r.client.bind(r.registry, nameOf('wl_shm'), 'wl_shm', 1);
  const ownPool = (r: Remote, shm: number): number => r.client.make(shm, 'create_pool', ['new', memfd(4096), 4096]);
  const slab = one.client.make(memoryOf(one), 'allocate', ['new', 4096]);
  await one.client.receives('virtwl_slab_v1.memory');
  const shm = shmOf(one);
  const pools: number[] = [];
  for (let i = 0; i < SLABS - 1; i++) {
    pools.push(ownPool(one, shm));
    if (i % 16 === 0) await settle(4);
  }
  const buffer = one.client.make(pools[0]!, 'create_buffer', ['new', 0, 16, 16, 64, 0]);
  one.client.say(pools[0]!, 'destroy');
  await one.client.roundtrip();
  t.same(g.left, [], 'so many it may have');
  t.equal(one.compositor.all('wl_shm.create_pool').length, SLABS - 1);

  ownPool(two, shmOf(two));
  await fails(t, two.client, 1, NO_MEMORY, /VM "work" has 352 slabs already/);
  ownPool(other, shmOf(other));
  await other.client.roundtrip();
  t.equal(other.compositor.all('wl_shm.create_pool').length, 1, 'another VM has its own');

  one.client.say(buffer, 'destroy');
  ownPool(one, shm);
  await one.client.roundtrip();
  t.notOk(one.client.ended, 'when the last buffer of one is gone, there is room again');
  one.client.make(memoryOf(one), 'allocate', ['new', 4096]);
  const refused = await one.client.receives('virtwl_slab_v1.refused');
  t.match(refused.args, [Refused.OverShare, /352 of 352 slabs/], 'slabs are counted with them');
  one.client.say(slab, 'destroy');
  ownPool(one, shm);
  await one.client.roundtrip();
  t.notOk(one.client.ended);
  one.client.close();
  await eventually('it left', () => g.glue.clientCount === 1);
  const again = await g.arrive('work');
  const shmAgain = shmOf(again);
  for (let i = 0; i < 8; i++) ownPool(again, shmAgain);
  await again.client.roundtrip();
  t.notOk(again.client.ended, 'a client that leaves takes its memory along');
});

for (const [what, make] of [
  ['a pipe', () => native.pipe()],
  ['a socket', () => native.socketpair()],
] as const) {
  withGlue(`${what} is no memory`, async (t, g) => {
    const r = await g.arrive('work');
    const shm = r.client.bind(r.registry, nameOf('wl_shm'), 'wl_shm', 1);
    const [a, b] = make();
    native.close(b);
    r.client.make(shm, 'create_pool', ['new', new OwnedFd(a), 4096]);
    await fails(t, r.client, shm, INVALID_FD, /must be made of memory/);
    t.same(r.compositor.all('wl_shm.create_pool'), []);
  });
}

withGlue('a pool that comes before the compositor has told of wl_shm waits for it', async (t, g) => {
  g.announcing = false;
  const r = await g.arrive('work');
  const slab = r.client.make(memoryOf(r), 'allocate', ['new', 4096]);
  await r.client.receives('virtwl_slab_v1.memory');
  const pool = r.client.make(slab, 'create_pool');
  r.client.make(pool, 'create_buffer', ['new', 0, 16, 16, 64, 0]);
  const done = r.client.make(1, 'sync');
  await settle(16);
  t.same(r.compositor.all('wl_display.sync'), []);
  for (const { args } of [...r.compositor.all('wl_display.get_registry')]) g.announce(r.compositor, args[0] as number);
  await r.client.receives('wl_callback.done');
  t.equal(r.client.last('wl_callback.done').id, done);
  t.equal(r.compositor.all('wl_shm.create_pool').length, 1);
  t.equal(r.compositor.all('wl_shm_pool.create_buffer').length, 1);
  t.same(g.left, []);
});

// ---- keymaps ---------------------------------------------------------------------------------------------------

/** A keyboard: its id at the compositor. */
async function keyboard(r: Remote): Promise<number> {
  const seat = r.client.bind(r.registry, nameOf('wl_seat'), 'wl_seat', 8);
  r.client.make(seat, 'get_keyboard');
  await settle(16);
  return r.compositor.last('wl_seat.get_keyboard').args[0] as number;
}

function sayKeymap(r: Remote, id: number, text: string): void {
  r.compositor.say(id, 'keymap', [1, memfd(text.length, text), text.length]);
}

withGlue('a keymap is copied once for all clients of a VM', async (t, g) => {
  const [one, two, other] = [await g.arrive('work'), await g.arrive('work'), await g.arrive('play')];
  for (const r of [one, two, other]) {
    const id = await keyboard(r);
    sayKeymap(r, id, 'a keymap of the compositor');
    r.compositor.say(id, 'repeat_info', [25, 600]);
    const { args } = await r.client.receives('wl_keyboard.keymap');
    t.match([args[0], args[2]], [1, 26]);
    t.equal(textOf(args[1] as OwnedFd, 26), 'a keymap of the compositor');
    await r.client.receives('wl_keyboard.repeat_info');
    const names = r.client.received.map(({ name }) => name);
    t.ok(names.indexOf('wl_keyboard.keymap') < names.indexOf('wl_keyboard.repeat_info'), 'what came behind it waited');
  }
  t.same(g.allocator!.asked, [26, 26], 'once for each VM');
  t.equal(g.glue.bytesOf('work'), 0, 'a keymap is not on the account');
  // The memory is shared by the clients of a VM, which may write: those of another VM must not see it.
  const mapping = native.map((one.client.last('wl_keyboard.keymap').args[1] as OwnedFd).fd, 0, 26, true);
  Buffer.from(mapping.buffer).write('written');
  mapping.unmap();
  t.equal(textOf(other.client.last('wl_keyboard.keymap').args[1] as OwnedFd, 26), 'a keymap of the compositor');
});

withGlue('a keymap over the limit costs its client the connection, and leaves no mapping behind', async (t, g) => {
  const r = await g.arrive('work');
  const id = await keyboard(r);
  r.compositor.say(id, 'keymap', [1, memfd(MAX_KEYMAP_BYTES), MAX_KEYMAP_BYTES]);
  await r.client.receives('wl_keyboard.keymap');
  for (const size of [MAX_KEYMAP_BYTES + 1, 0xffffffff]) {
    const other = await g.arrive('work');
    other.compositor.say(await keyboard(other), 'keymap', [1, memfd(4096), size]);
    await other.client.isEnded();
  }
  t.same(g.allocator!.asked, [MAX_KEYMAP_BYTES], 'nothing was asked for it');
});

withGlue(`of a VM's keymaps, the last ${MAX_KEYMAPS} are kept`, async (t, g) => {
  const r = await g.arrive('work');
  const id = await keyboard(r);
  for (let i = 0; i <= MAX_KEYMAPS; i++) sayKeymap(r, id, `layout ${i}`);
  await r.client.receives('wl_keyboard.keymap', MAX_KEYMAPS + 1);
  t.equal(g.allocator!.asked.length, MAX_KEYMAPS + 1);
  sayKeymap(r, id, `layout ${MAX_KEYMAPS}`);
  sayKeymap(r, id, 'layout 1');
  await r.client.receives('wl_keyboard.keymap', MAX_KEYMAPS + 3);
  t.equal(g.allocator!.asked.length, MAX_KEYMAPS + 1, 'known ones cost nothing');
  sayKeymap(r, id, 'layout 0');
  await r.client.receives('wl_keyboard.keymap', MAX_KEYMAPS + 4);
  t.equal(g.allocator!.asked.length, MAX_KEYMAPS + 2, 'the oldest was forgotten');
  t.same(
    r.client.all('wl_keyboard.keymap').map(({ args }) => textOf(args[1] as OwnedFd, 8)),
    [
      ...Array.from({ length: MAX_KEYMAPS + 1 }, (_, i) => `layout ${i}`),
      `layout ${MAX_KEYMAPS}`,
      'layout 1',
      'layout 0',
    ],
  );
});

withGlue('no keymap is memory of our own with nothing in it', async (t, g) => {
  const r = await g.arrive('work');
  const id = await keyboard(r);
  r.compositor.say(id, 'keymap', [0, memfd(0), 0]);
  const { args } = await r.client.receives('wl_keyboard.keymap');
  t.match([args[0], args[2]], [0, 0]);
  t.same(g.allocator!.asked, []);
});

for (const what of ['is refused', 'never comes'] as const) {
  withGlue(`a keymap for which memory ${what} lies in memory of this VM`, async (t, g) => {
    g.allocator!.mode = what === 'is refused' ? 'refuse' : 'wait';
    const r = await g.arrive('work');
    sayKeymap(r, await keyboard(r), 'a keymap');
    if (what === 'never comes') {
      await settle(16);
      t.same(r.client.all('wl_keyboard.keymap'), []);
      g.allocator!.hangUp();
    }
    const { args } = await r.client.receives('wl_keyboard.keymap');
    t.equal(textOf(args[1] as OwnedFd, 8), 'a keymap');
    await r.client.roundtrip();
    t.same(g.left, []);
  });
}

withGlue('a client that leaves while its keymap is on its way leaves nothing behind', async (t, g) => {
  g.allocator!.mode = 'wait';
  const r = await g.arrive('work');
  sayKeymap(r, await keyboard(r), 'a keymap');
  await settle(16);
  r.client.close();
  await eventually('it left', () => g.glue.clientCount === 0);
  g.allocator!.release();
  await settle(16);
  t.match(g.left, [{ vm: 'work', reason: undefined }]);
});

withGlue('a keymap that is no memory ends the client it was for', async (t, g) => {
  const r = await g.arrive('work');
  const id = await keyboard(r);
  const [read, write] = native.pipe();
  native.close(write);
  r.compositor.say(id, 'keymap', [1, new OwnedFd(read), 4096]);
  await r.client.isEnded();
  t.ok(g.left[0]!.reason instanceof Error);
});

// ---- transfers -------------------------------------------------------------------------------------------------

/** A data source of the client: its id at the compositor. */
async function source(r: Remote): Promise<number> {
  const manager = r.client.bind(r.registry, nameOf('wl_data_device_manager'), 'wl_data_device_manager', 3);
  r.client.make(manager, 'create_data_source');
  await settle(16);
  return r.compositor.last('wl_data_device_manager.create_data_source').args[0] as number;
}

withGlue('a paste from a remote client goes through a pipe of the device, even after it left', async (t, g) => {
  const r = await g.arrive('work');
  const id = await source(r);
  const [read, write] = native.pipe();
  r.compositor.say(id, 'send', ['text/plain', new OwnedFd(write)]);
  const fd = r.client.takeFd((await r.client.receives('wl_data_source.send')).args[1]);
  t.equal(fd.info().type, 'pipe');
  const text = Buffer.from('from the other VM');
  native.write(fd.fd, text, 0, text.length);
  r.client.close();
  await eventually('it left', () => g.glue.clientCount === 0);
  fd.close();
  const buffer = new Uint8Array(100);
  let got = 0;
  await eventually('the text arrives', () => (got = Math.max(got, native.read(read, buffer))) > 0);
  t.equal(Buffer.from(buffer.subarray(0, got)).toString(), 'from the other VM');
  await eventually('and ends', () => native.read(read, buffer) === 0);
  native.close(read);
});

withGlue(
  `a VM has at most ${MAX_TRANSFERS} transfers, over all its clients, whether they are still there or not`,
  async (t, g) => {
    const readEnds: number[] = [];
    const kept: OwnedFd[] = [];
    for (let client = 0; client < 3; client++) {
      const r = await g.arrive('work');
      const id = await source(r);
      for (let i = 0; i < 60; i++) {
        const [read, write] = native.pipe();
        readEnds.push(read);
        r.compositor.say(id, 'send', ['text/plain', new OwnedFd(write)]);
        if (i % 20 === 0) await settle(4);
      }
      await r.client.receives('wl_data_source.send', 60);
      // Kept open for ever by a client that is gone.
      for (const { args } of r.client.all('wl_data_source.send')) kept.push(r.client.takeFd(args[1]));
      r.client.close();
    }
    const buffer = new Uint8Array(1);
    const open = (): number => readEnds.filter(fd => native.read(fd, buffer) === -1).length;
    t.equal(open(), MAX_TRANSFERS);
    const other = await g.arrive('play');
    const [read, write] = native.pipe();
    other.compositor.say(await source(other), 'send', ['text/plain', new OwnedFd(write)]);
    await other.client.receives('wl_data_source.send');
    t.equal(native.read(read, buffer), -1, 'another VM has its own');
    for (const fd of kept.splice(0)) fd.close();
    await eventually('all are over', () => open() === 0);
    for (const fd of [...readEnds, read]) native.close(fd);
  },
);

/** An offer of the selection to the client: its id there. */
async function offer(r: Remote): Promise<number> {
  const manager = r.client.bind(r.registry, nameOf('wl_data_device_manager'), 'wl_data_device_manager', 3);
  const seat = r.client.bind(r.registry, nameOf('wl_seat'), 'wl_seat', 8);
  r.client.make(manager, 'get_data_device', ['new', seat]);
  await settle(16);
  const device = r.compositor.last('wl_data_device_manager.get_data_device').args[0] as number;
  const id = 0xff000000;
  r.compositor.types.set(id, 'wl_data_offer');
  r.compositor.say(device, 'data_offer', [id]);
  return (await r.client.receives('wl_data_device.data_offer')).args[0] as number;
}

withGlue('what one VM does not read of another is on its own account', async (t, g) => {
  const reader = await g.arrive('work');
  const writer = await g.arrive('play');
  const offered = await offer(reader);
  const sourceId = await source(writer);
  const readEnds: number[] = [];
  const rounds = MAX_TRANSFERS + 40;
  for (let i = 0; i < rounds; i++) {
    const [read, write] = native.pipe();
    readEnds.push(read);
    reader.client.say(offered, 'receive', ['text/plain', new OwnedFd(write)]);
    const { args } = await reader.compositor.receives('wl_data_offer.receive', i + 1);
    // The compositor hands the pipe on, as wlroots does.
    writer.compositor.say(sourceId, 'send', ['text/plain', reader.compositor.takeFd(args[1])]);
  }
  await writer.client.receives('wl_data_source.send', rounds);
  const buffer = new Uint8Array(100);
  t.equal(readEnds.filter(fd => native.read(fd, buffer) === -1).length, MAX_TRANSFERS, 'the reader has its number');

  const text = Buffer.from('mine');
  const [read, write] = native.pipe();
  writer.compositor.say(sourceId, 'send', ['text/plain', new OwnedFd(write)]);
  const own = writer.client.takeFd((await writer.client.receives('wl_data_source.send', rounds + 1)).args[1]);
  native.write(own.fd, text, 0, text.length);
  let got = 0;
  await eventually('the writer’s own paste', () => (got = Math.max(got, native.read(read, buffer))) > 0);
  t.equal(got, text.length);

  const first = writer.client.takeFd(writer.client.all('wl_data_source.send')[0]!.args[1]);
  native.write(first.fd, text, 0, text.length);
  await eventually('the reader’s first paste', () => native.read(readEnds[0]!, buffer) === text.length);
  first.close();
  await eventually('its end', () => native.read(readEnds[0]!, buffer) === 0);
  own.close();
  for (const fd of [...readEnds, read]) native.close(fd);
});

withGlue('the compositor is given no descriptor of a VM’s to write to', async (t, g) => {
  const r = await g.arrive('work');
  const offered = await offer(r);
  const [read, write] = native.pipe().map(fd => new OwnedFd(fd)) as [OwnedFd, OwnedFd];
  const { inode } = write.info();
  r.client.say(offered, 'receive', ['text/plain', write]);
  const given = r.compositor.takeFd((await r.compositor.receives('wl_data_offer.receive')).args[1]);
  t.not(given.info().inode, inode);
  r.client.say(offered, 'receive', ['text/plain', new OwnedFd(native.memfd('virtwl-test', 4096, 0))]);
  const file = r.compositor.takeFd((await r.compositor.receives('wl_data_offer.receive', 2)).args[1]);
  t.equal(file.info().type, 'pipe');
  t.throws(() => native.write(file.fd, Buffer.from('x'), 0, 1), { code: 'EPIPE' }, 'a file is not written to');
  for (const fd of [given, file, read]) fd.close();
});

// ---- coming and going ------------------------------------------------------------------------------------------

withGlue(
  'a VM has so many clients, and another VM its own',
  async (t, g) => {
    const [one] = [await g.arrive('work'), await g.arrive('work')];
    const third = g.knock('work');
    await third.isEnded();
    t.match(third.last('wl_display.error').args, [1, NO_MEMORY, /VM "work" has 2 clients already/]);
    t.match(g.left, [{ vm: 'work', reason: { message: 'refused: VM "work" has 2 clients already' } }]);
    await g.arrive('play');
    t.equal(g.glue.clientCount, 3);
    one.client.close();
    await eventually('one left', () => g.glue.clientCount === 2);
    const again = await g.arrive('work');
    await again.client.roundtrip();
    t.equal(g.glue.clientCount, 3);
  },
  { policy: { clients: 2 } },
);

withGlue(
  'a VM has so many objects, all its clients together, and another VM its own',
  async (t, g) => {
    const [one, two, other] = [await g.arrive('work'), await g.arrive('work'), await g.arrive('play')];
    t.equal(g.glue.objectsOf('work'), 2, 'two registries');
    const factoryOf = (r: Remote): number => r.client.bind(r.registry, nameOf('wl_compositor'), 'wl_compositor', 6);
    const surfaces = (r: Remote, factory: number, count: number): number[] =>
      Array.from({ length: count }, () => r.client.make(factory, 'create_surface'));
    const factory = factoryOf(one);
    const made = surfaces(one, factory, 60);
    const factory2 = factoryOf(two);
    surfaces(two, factory2, 36);
    await settle(16);
    t.equal(g.glue.objectsOf('work'), 100);
    t.same(g.left, []);
    surfaces(other, factoryOf(other), 98);
    await settle(64);
    t.equal(g.glue.objectsOf('play'), 100);
    t.same(g.left, [], 'each VM has its own');

    for (const surface of made) one.client.say(surface, 'destroy');
    await settle(16);
    t.equal(g.glue.objectsOf('work'), 100, 'what was needed once is kept, here and in the compositor');
    for (const surface of made) one.client.say(factory, 'create_surface', [surface]);
    await settle(16);
    t.same(g.left, [], 'for that client to use again');
    t.equal(one.compositor.all('wl_compositor.create_surface').length, 120);

    surfaces(two, factory2, 1);
    await fails(t, two.client, 1, NO_MEMORY, /too many objects of all clients together/);
    await settle(16);
    t.notOk(one.client.ended, 'nobody else notices');
    t.equal(g.glue.objectsOf('work'), 62, 'and its places are back');
    const next = await g.arrive('work');
    surfaces(next, factoryOf(next), 36);
    await settle(16);
    t.same(
      g.left.map(({ vm }) => vm),
      ['work'],
    );
  },
  { policy: { objects: 100 } },
);

withGlue(
  "objects that the compositor makes for a client are its VM's as well",
  async (t, g) => {
    const r = await g.arrive('work');
    const manager = r.client.bind(r.registry, nameOf('wl_data_device_manager'), 'wl_data_device_manager', 3);
    r.client.make(manager, 'get_data_device', ['new', r.client.bind(r.registry, nameOf('wl_seat'), 'wl_seat', 8)]);
    await settle(16);
    const device = r.compositor.last('wl_data_device_manager.get_data_device').args[0] as number;
    t.equal(g.glue.objectsOf('work'), 4);
    for (let i = 0; i < 6; i++) r.compositor.say(device, 'data_offer', [0xff000000 + i]);
    await settle(16);
    t.equal(g.glue.objectsOf('work'), 10);
    t.same(g.left, []);
    r.compositor.say(device, 'data_offer', [0xff000000]);
    await settle(16);
    t.same(g.left, [], 'an id that is used again is no more');
    r.compositor.say(device, 'data_offer', [0xff000006]);
    await fails(t, r.client, 1, NO_MEMORY, /too many objects/);
  },
  { policy: { objects: 10 } },
);

withGlue(`clients of ${MAX_VMS} VMs are served at a time`, async (t, g) => {
  for (let i = 0; i < MAX_VMS; i++) {
    g.knock(`vm-${i}`);
    if (i % 32 === 0) await settle(4); // not more at once than may wait to be accepted
  }
  await eventually('all of them', () => g.glue.clientCount === MAX_VMS);
  const one = g.knock('one-more');
  await one.isEnded();
  t.match(one.last('wl_display.error').args, [1, NO_MEMORY, /256 other VMs have clients/]);
  g.knock('vm-0');
  await eventually('another of a VM that has some', () => g.glue.clientCount === MAX_VMS + 1);
});

withGlue('a compositor that is gone ends its clients, and those that come are refused', async (t, g) => {
  const r = await g.arrive('work');
  r.client.make(memoryOf(r), 'allocate', ['new', 4096]);
  await r.client.receives('virtwl_slab_v1.memory');
  g.stopCompositor();
  await r.client.isEnded();
  t.match(g.left, [{ vm: 'work', reason: { message: /compositor closed the connection/ } }]);
  t.equal(g.glue.bytesOf('work'), 0);
  const late = g.knock('work');
  await late.isEnded();
  t.match(g.left[1], { vm: 'work', reason: { code: 'ENOENT' } });
  t.equal(g.glue.clientCount, 0);
});

withGlue('a client that breaks the protocol is gone, and another of its VM is not', async (t, g) => {
  const [bad, good] = [await g.arrive('work'), await g.arrive('work')];
  const memory = memoryOf(bad);
  bad.client.make(memory, 'allocate', ['new', 4096]);
  bad.client.words(memory, 9);
  await fails(t, bad.client, 1, 1, /invalid method 9, object virtwl_memory_v1/);
  await good.client.roundtrip();
  t.equal(g.glue.clientCount, 1);
  await eventually('its memory is back', () => g.glue.bytesOf('work') === 0);
});

withGlue('a glue that closes takes everybody along, also those whose memory is on its way', async (t, g) => {
  g.allocator!.mode = 'wait';
  const remotes = [await g.arrive('work'), await g.arrive('play')];
  for (const r of remotes) r.client.make(memoryOf(r), 'allocate', ['new', 4096]);
  await settle(16);
  g.glue.close();
  g.glue.close();
  for (const r of remotes) await r.client.isEnded();
  t.equal(g.glue.clientCount, 0);
  t.same(
    g.left.map(({ reason }) => reason),
    [undefined, undefined],
  );
});

withGlue('hundreds of clients that come and go leave nothing', async (t, g) => {
  for (let i = 0; i < 200; i++) {
    const client = g.knock(`vm${i % 7}`);
    const registry = client.make(1, 'get_registry');
    if (i % 3 > 0) await settle(i % 5);
    if (i % 3 > 1) client.raw([registry, 0]);
    client.close();
  }
  await eventually('all left', () => g.left.length === 200);
  t.equal(g.glue.clientCount, 0);
});

t.test('nothing is left behind', async t => before.assertSame(t));
