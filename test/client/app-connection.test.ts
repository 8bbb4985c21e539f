/** One application's connection through the proxy: what of it reaches the other end, what does not, and how it ends. */
import t, { type Test } from 'tap';
import { AllocationRefused, type AllocatorClient } from '../../src/allocator/client.js';
import { Status } from '../../src/allocator/protocol.js';
import { MAX_KEYMAP_BYTES } from '../../src/relay/keymap.js';
import { OwnedFd } from '../../src/system/fd.js';
import { native, SEAL_GROW, SEAL_SHRINK, SEAL_WRITE } from '../../src/system/native.js';
import { Memory } from '../../src/virtwl/vfd.js';
import { MAX_TRANSFERS } from '../../src/relay/transfers.js';
import { eventually } from '../eventually.js';
import { Holdings } from '../holdings.js';
import { settle } from '../relay/peer.js';
import { connectApp, DrawnPool, LINK_GLOBALS, nameOf, type AppAndLink } from './app-and-link.js';

const before = new Holdings();

/** wl_shm.error */
const INVALID_STRIDE = 1;
const INVALID_FD = 2;
/** wl_display.error */
const INVALID_OBJECT = 0;
const NO_MEMORY = 2;

const MIB = 1 << 20;

interface Shown {
  readonly surface: number;
  readonly pool: DrawnPool;
  readonly buffer: number;
}

/** Draws one colour, and shows it. */
function show(
  c: AppAndLink,
  s: Pick<Shown, 'surface' | 'buffer'>,
  damage: readonly number[] | undefined,
  offset = [0, 0],
): void {
  c.app.say(s.surface, 'attach', [s.buffer, ...offset]);
  if (damage !== undefined) c.app.say(s.surface, 'damage_buffer', damage);
  c.app.say(s.surface, 'commit');
}

const EVERYTHING = [0, 0, 0x7fffffff, 0x7fffffff];

/** A window of one buffer, not shown yet. */
function window(c: AppAndLink, width = 10, height = 10): Shown {
  const surface = c.app.make(c.factory, 'create_surface');
  const pool = new DrawnPool(c, 4 * width * height);
  return { surface, pool, buffer: pool.buffer(0, width, height) };
}

/** The same, of this version of wl_compositor. */
function windowOfVersion(c: AppAndLink, version: number): Shown {
  return window({ ...c, factory: c.app.bind(c.registry, nameOf('wl_compositor'), 'wl_compositor', version) });
}

function theirs(c: AppAndLink, index = 0): number {
  return [...c.far.surfaces.keys()][index]!;
}

/** What the compositor shows of the surface made as number `index`. */
function pixels(c: AppAndLink, index = 0): Buffer | undefined {
  const { shown } = [...c.far.surfaces.values()][index]!;
  return shown === undefined ? undefined : c.far.pixels(shown);
}

async function fails(t: Test, c: AppAndLink, object: number, code: number, message: RegExp): Promise<void> {
  await c.app.isEnded();
  t.match(c.app.last('wl_display.error').args, [object, code, message]);
  await eventually('the link ends', () => c.far.peer.ended);
  t.equal(c.ends.length, 1);
  t.ok(c.ends[0] instanceof Error);
}

/** Runs with a connection, and checks that it and its peers leave nothing behind. */
function withApp(
  name: string,
  body: (t: Test, c: AppAndLink) => Promise<void>,
  options: Parameters<typeof connectApp>[1] = {},
): void {
  t.test(name, async t => {
    const held = new Holdings();
    const cleanups: (() => void)[] = [];
    const c = await connectApp({ teardown: (work: () => void) => cleanups.unshift(work) }, options);
    try {
      await body(t, c);
      t.same(c.far.mistakes, []);
      t.same(c.far.peer.faults, []);
    } finally {
      c.app.close();
      c.far.close();
      await settle();
      for (const cleanup of cleanups) cleanup();
    }
    await held.assertSame(t);
  });
}

withApp('a frame: the application has its buffer back at once, and nothing but its copy crosses', async (t, c) => {
  const w = window(c);
  w.pool.bytes.fill(0x11);
  show(c, w, EVERYTHING);
  await settle();
  t.ok(pixels(c)!.equals(Buffer.alloc(400, 0x11)));
  t.equal(c.app.last('wl_buffer.release').id, w.buffer);
  t.same(c.connection.counters, { frames: 1, held: 0, bytesCopied: 400, bytesNotCopied: 0 });
  const names = c.far.peer.received.map(({ name }) => name);
  t.notOk(names.includes('wl_shm.create_pool'), 'no pool of the application crosses');
  t.same(
    names.filter(name => /surface|buffer|slab|allocate/.test(name)),
    [
      'wl_compositor.create_surface',
      'virtwl_memory_v1.allocate',
      'virtwl_slab_v1.create_pool',
      'wl_surface.damage_buffer',
      'wl_shm_pool.create_buffer',
      'wl_surface.attach',
      'wl_surface.commit',
    ].sort((a, b) => names.indexOf(a) - names.indexOf(b)),
  );
  w.pool.bytes.fill(0x22);
  show(c, w, [2, 3, 4, 1]);
  await settle();
  t.equal(c.connection.counters.bytesCopied, 400 + 400, 'the second buffer of the link is new');
  c.far.release(c.far.held[0]!);
  await settle();
  w.pool.bytes.fill(0x33, 0, 8);
  show(c, w, [0, 0, 2, 1]);
  await settle();
  t.equal(c.connection.counters.bytesCopied, 800 + 4 * (4 + 2), 'what changed since, in both frames');
  t.equal(c.far.asked.length, 1, 'one slab for all of them');
  w.pool.close();
});

withApp('two buffers in one pool, at any offset, show each its own', async (t, c) => {
  const surface = c.app.make(c.factory, 'create_surface');
  const pool = new DrawnPool(c, 2000);
  const [one, two] = [pool.buffer(3, 10, 10), pool.buffer(1001, 10, 10)];
  pool.bytes.fill(0x41, 3, 403);
  pool.bytes.fill(0x42, 1001, 1401);
  show(c, { surface, buffer: one }, EVERYTHING);
  await settle();
  t.ok(pixels(c)!.equals(Buffer.alloc(400, 0x41)));
  show(c, { surface, buffer: two }, EVERYTHING);
  await settle();
  t.ok(pixels(c)!.equals(Buffer.alloc(400, 0x42)));
  pool.close();
});

withApp('a pool that grows, or is destroyed, under its buffers', async (t, c) => {
  const surface = c.app.make(c.factory, 'create_surface');
  const pool = new DrawnPool(c, 400);
  const small = pool.buffer(0, 10, 10);
  pool.resize(400 + 1600);
  const large = pool.buffer(400, 20, 20);
  pool.bytes.fill(0x51, 0, 400);
  pool.bytes.fill(0x52, 400);
  show(c, { surface, buffer: small }, EVERYTHING);
  await settle();
  t.ok(pixels(c)!.equals(Buffer.alloc(400, 0x51)));
  c.app.say(pool.id, 'destroy');
  show(c, { surface, buffer: large }, EVERYTHING);
  await settle();
  t.ok(pixels(c)!.equals(Buffer.alloc(1600, 0x52)));
  t.ok(
    c.app.all('wl_display.delete_id').some(({ args }) => args[0] === pool.id),
    'confirmed at once',
  );
  pool.close();
});

withApp('a frame without damage shows what is shown, and copies nothing', async (t, c) => {
  const w = windowOfVersion(c, 4);
  show(c, w, EVERYTHING);
  await settle();
  const attaches = (): number => c.far.peer.all('wl_surface.attach').length;
  t.equal(attaches(), 1);
  show(c, w, undefined);
  await settle();
  t.equal(attaches(), 1, 'the compositor reads it still: it stays attached');
  t.equal(c.far.surfaces.get(theirs(c))!.commits, 2);
  t.equal(c.app.all('wl_buffer.release').length, 2);
  c.far.release(c.far.held[0]!);
  await settle();
  show(c, w, undefined);
  await settle();
  t.equal(attaches(), 2, 'it was released: it is attached anew');
  t.equal(c.connection.counters.bytesCopied, 400);
  show(c, w, undefined, [5, -5]);
  await settle();
  t.match(c.far.peer.last('wl_surface.attach').args.slice(1), [5, -5], 'an offset has to be told');
  t.equal(c.far.buffers.size, 2, 'with another buffer');
  t.equal(c.connection.counters.frames, 4);
  t.equal(c.connection.counters.bytesCopied, 800, 'which had nothing of it yet');
  t.equal(c.connection.counters.bytesNotCopied, 800, 'of the four frames');
  t.match(c.connection.latencies.report, { frames: 1 }, 'one buffer was released');
  w.pool.close();
});

withApp('a commit without a buffer goes through, with its damage', async (t, c) => {
  const w = window(c);
  show(c, w, EVERYTHING);
  c.app.say(w.surface, 'damage', [1, 1, 2, 2]);
  c.app.say(w.surface, 'commit');
  await settle();
  t.equal(c.far.surfaces.get(theirs(c))!.commits, 2);
  t.match(c.far.peer.last('wl_surface.damage').args, [1, 1, 2, 2]);
  t.same(c.connection.counters, { frames: 1, held: 0, bytesCopied: 400, bytesNotCopied: 0 });
  w.pool.close();
});

withApp('a buffer attached twice before the commit counts once, the last one', async (t, c) => {
  const surface = c.app.make(c.factory, 'create_surface');
  const pool = new DrawnPool(c, 800);
  const [one, two] = [pool.buffer(0, 10, 10), pool.buffer(400, 10, 10)];
  pool.bytes.fill(9, 400);
  c.app.say(surface, 'attach', [one, 0, 0]);
  c.app.say(surface, 'attach', [two, 0, 0]);
  c.app.say(surface, 'commit');
  await settle();
  t.ok(pixels(c)!.equals(Buffer.alloc(400, 9)), 'whole, although nothing was damaged: there was none before');
  t.same(
    c.app.all('wl_buffer.release').map(({ id }) => id),
    [two],
  );
  pool.close();
});

withApp('after nothing was shown, everything is new, damaged or not', async (t, c) => {
  const w = window(c);
  w.pool.bytes.fill(1);
  show(c, w, EVERYTHING);
  c.app.say(w.surface, 'attach', [undefined, 0, 0]);
  c.app.say(w.surface, 'commit');
  await settle();
  t.equal(pixels(c), undefined);
  for (const id of [...c.far.held]) c.far.release(id);
  await settle();
  w.pool.bytes.fill(2);
  show(c, w, undefined);
  await settle();
  t.ok(pixels(c)!.equals(Buffer.alloc(400, 2)));
  w.pool.bytes.fill(3);
  c.app.say(w.surface, 'attach', [undefined, 0, 0]);
  show(c, w, EVERYTHING);
  await settle();
  t.ok(pixels(c)!.equals(Buffer.alloc(400, 3)), 'an attach of nothing that was never committed does not count');
  c.app.say(w.surface, 'attach', [undefined, 0, 0]);
  show(c, w, undefined);
  await settle();
  t.ok(pixels(c)!.equals(Buffer.alloc(400, 3)));
  w.pool.close();
});

withApp('a buffer without pixels passes through, and what follows it is new', async (t, c) => {
  const w = window(c);
  w.pool.bytes.fill(1);
  show(c, w, EVERYTHING);
  const manager = c.app.bind(
    c.registry,
    nameOf('wp_single_pixel_buffer_manager_v1'),
    'wp_single_pixel_buffer_manager_v1',
    1,
  );
  const single = c.app.make(manager, 'create_u32_rgba_buffer', ['new', 0xffffffff, 0, 0, 0xffffffff]);
  show(c, { surface: w.surface, buffer: single }, EVERYTHING);
  await settle();
  const far = c.far.peer.last('wp_single_pixel_buffer_manager_v1.create_u32_rgba_buffer').args[0] as number;
  t.equal(c.far.surfaces.get(theirs(c))!.shown, far);
  t.equal(c.app.all('wl_buffer.release').length, 1, 'it is the compositor that releases it');
  c.far.peer.say(far, 'release');
  await settle();
  t.equal(c.app.last('wl_buffer.release').id, single);
  c.app.say(single, 'destroy');
  w.pool.bytes.fill(7);
  show(c, w, undefined);
  await settle();
  t.ok(pixels(c)!.equals(Buffer.alloc(400, 7)));
  t.equal(c.far.peer.last('wl_buffer.destroy').id, far);
  w.pool.close();
});

withApp('a surface that is destroyed gives its memory back as the compositor lets go', async (t, c) => {
  const w = window(c);
  for (let i = 0; i < 3; i++) {
    show(c, w, EVERYTHING);
    await settle();
  }
  t.equal(c.far.held.length, 3);
  c.far.release(c.far.held[0]!);
  await settle();
  c.app.say(w.surface, 'attach', [w.buffer, 0, 0]);
  c.app.say(w.surface, 'destroy');
  await settle();
  t.equal(c.far.buffers.size, 2, 'what is held stays');
  for (const id of [...c.far.held]) c.far.release(id);
  await settle();
  t.equal(c.far.buffers.size, 0);
  t.same(c.far.mistakes, []);
  c.app.say(w.buffer, 'destroy');
  const again = window(c);
  show(c, again, EVERYTHING);
  await settle();
  t.equal(c.far.asked.length, 1, 'the memory serves the next one');
  w.pool.close();
  again.pool.close();
});

withApp('a viewport that goes, and a surface that goes before it, harm nobody', async (t, c) => {
  const w = window(c);
  const viewporter = c.app.bind(c.registry, nameOf('wp_viewporter'), 'wp_viewporter', 1);
  const viewport = c.app.make(viewporter, 'get_viewport', ['new', w.surface]);
  c.app.say(viewport, 'set_source', [1, 1, 5, 5]);
  c.app.say(viewport, 'set_destination', [20, 20]);
  show(c, w, EVERYTHING);
  c.app.say(w.surface, 'destroy');
  c.app.say(viewport, 'set_destination', [-1, -1]);
  c.app.say(viewport, 'destroy');
  await c.app.roundtrip();
  t.same(c.ends, []);
  w.pool.close();
});

withApp('slabs of windows that are gone are given back, but for the last', async (t, c) => {
  const windows = [1, 2, 3].map(i => {
    const surface = c.app.make(c.factory, 'create_surface');
    const pool = new DrawnPool(c, MIB * i);
    return { surface, pool, buffer: pool.buffer(0, 512, 512 * i) };
  });
  for (const w of windows) {
    show(c, w, EVERYTHING);
    await settle();
  }
  t.same(
    c.far.asked.map(({ size }) => size / MIB),
    [2, 4, 6],
    'each is large enough for two buffers of its size',
  );
  for (const w of windows) {
    c.app.say(w.surface, 'destroy');
    w.pool.close();
  }
  await settle();
  for (const id of [...c.far.held]) c.far.release(id);
  await settle();
  t.equal(c.far.buffers.size, 0);
  t.equal(c.far.slabs.size, 1);
  t.equal(c.far.pools.size, 1);
  t.equal(c.far.peer.all('wl_shm_pool.destroy').length, 2);
});

withApp('while memory is on its way, everything behind waits in order, and events do not', async (t, c) => {
  c.far.slabAnswer = 'wait';
  const w = window(c);
  show(c, w, EVERYTHING);
  c.app.say(w.surface, 'damage', [7, 7, 7, 7]);
  c.app.say(w.surface, 'commit');
  const callback = c.app.make(1, 'sync');
  await settle();
  t.equal(c.far.surfaces.get(theirs(c))!.commits, 0);
  t.notOk(c.far.peer.received.some(({ name }) => name === 'wl_surface.damage'));
  const registry = c.far.peer.all('wl_display.get_registry').at(-1)!.args[0] as number;
  c.far.peer.say(registry, 'global', [60, 'wl_output', 3]);
  await settle();
  t.match(c.app.last('wl_registry.global').args, [60, 'wl_output', 3]);
  c.far.grant(c.far.asked[0]!.id);
  await settle();
  t.equal(c.far.surfaces.get(theirs(c))!.commits, 2);
  const order = c.far.peer.received.map(({ name }) => name);
  t.ok(order.lastIndexOf('wl_surface.damage') > order.indexOf('wl_surface.commit'));
  t.ok(order.lastIndexOf('wl_surface.commit') > order.lastIndexOf('wl_surface.damage'));
  t.equal(c.app.last('wl_callback.done').id, callback);
  w.pool.close();
});

withApp('an application that leaves while memory is on its way is gone when it comes', async (t, c) => {
  c.far.slabAnswer = 'wait';
  const w = window(c);
  show(c, w, EVERYTHING);
  await settle();
  c.app.close();
  w.pool.close();
  await settle();
  c.far.grant(c.far.asked[0]!.id);
  await eventually('the link ends', () => c.far.peer.ended);
  t.same(c.ends, [undefined]);
});

withApp('a link that dies while memory is on its way ends the application, and others not', async (t, c) => {
  const other = await connectApp(t);
  c.far.slabAnswer = 'wait';
  const w = window(c);
  show(c, w, EVERYTHING);
  await settle();
  c.far.close();
  await c.app.isEnded();
  t.match(c.ends, [{ message: /compositor closed the connection/ }]);
  w.pool.close();
  const w2 = window(other);
  show(other, w2, EVERYTHING);
  await other.app.roundtrip();
  t.equal(other.connection.counters.frames, 1);
  w2.pool.close();
  other.app.close();
  other.far.close();
});

withApp('memory that is refused is waited for, and the application knows nothing of it', async (t, c) => {
  const other = await connectApp(t);
  c.far.slabAnswer = 'refuse';
  const w = window(c);
  show(c, w, EVERYTHING);
  await settle();
  t.same(
    c.far.asked.map(({ size }) => size),
    [MIB, 4096],
  );
  const w2 = window(other);
  show(other, w2, EVERYTHING);
  await other.app.roundtrip();
  t.equal(other.connection.counters.frames, 1);
  await eventually('it is asked for again', () => c.far.asked.length > 4);
  t.same([c.ends, c.app.all('wl_buffer.release'), c.far.surfaces.get(theirs(c))!.commits], [[], [], 0]);
  c.far.slabAnswer = 'grant';
  await eventually('it is shown', () => c.far.surfaces.get(theirs(c))!.commits === 1);
  await c.app.roundtrip();
  t.equal(c.app.all('wl_buffer.release').length, 1);
  t.same(c.far.pixels(c.far.surfaces.get(theirs(c))!.shown!), Buffer.from(w.pool.bytes));
  for (const { pool } of [w, w2]) pool.close();
  other.app.close();
  other.far.close();
});

withApp('a window for which there is no memory keeps its picture, and others go on', async (t, c) => {
  const [a, b] = [window(c), window(c)];
  show(c, a, EVERYTHING);
  show(c, b, EVERYTHING);
  await settle();
  const surfaceOf = (index: number) => [...c.far.surfaces.values()][index]!;
  const first = Buffer.from(a.pool.bytes);
  // The next size of the first one is refused.
  c.far.largest = MIB;
  const large = new DrawnPool(c, 8 * MIB);
  large.bytes.fill(9);
  const buffers = [large.buffer(0, 1024, 1024), large.buffer(4 * MIB, 1024, 1024)];
  show(c, { surface: a.surface, buffer: buffers[0]! }, EVERYTHING);
  const callback = c.app.make(a.surface, 'frame');
  b.pool.bytes.fill(5);
  show(c, b, EVERYTHING);
  await eventually('the other is drawn', () => surfaceOf(1).commits === 2);
  t.equal(pixels(c, 1)![0], 5);
  t.same([surfaceOf(0).commits, pixels(c, 0)], [1, first], 'the old picture');
  // It draws once more: the first of the two is free, as no one will see it.
  show(c, { surface: a.surface, buffer: buffers[1]! }, EVERYTHING);
  await eventually('the buffer before is released', () =>
    c.app.all('wl_buffer.release').some(({ id }) => id === buffers[0]),
  );
  t.same([surfaceOf(0).commits, c.ends], [1, []]);
  c.far.largest = Infinity;
  await eventually('there is memory', () => surfaceOf(0).commits === 2);
  t.equal(pixels(c, 0)!.length, 4 * MIB);
  t.ok(pixels(c, 0)!.every(byte => byte === 9));
  await c.app.roundtrip();
  t.ok(c.app.all('wl_buffer.release').some(({ id }) => id === buffers[1]));
  t.ok(
    c.far.peer.received.some(({ name }) => name === 'wl_surface.frame'),
    'what it said besides has arrived',
  );
  t.type(callback, 'number');
  for (const { pool } of [a, b, { pool: large }]) pool.close();
});

withApp('a window that waits for memory can be named, shown less of, and closed', async (t, c) => {
  const a = window(c);
  show(c, a, EVERYTHING);
  await settle();
  c.far.largest = MIB;
  const large = new DrawnPool(c, 4 * MIB);
  large.bytes.fill(3);
  const buffer = large.buffer(0, 1024, 1024);
  show(c, { surface: a.surface, buffer }, EVERYTHING);
  const shown = () => [...c.far.surfaces.values()][0]!;
  // Something that must not wait: where it is said, the commit is left out, and made up for later.
  c.app.say(a.surface, 'set_buffer_scale', [1]);
  const other = c.app.make(c.factory, 'create_surface');
  const subcompositor = c.app.bind(c.registry, nameOf('wl_subcompositor'), 'wl_subcompositor', 1);
  c.app.make(subcompositor, 'get_subsurface', ['new', other, a.surface]);
  await eventually('it is said', () => c.far.peer.all('wl_subcompositor.get_subsurface').length === 1);
  t.equal(shown().commits, 1);
  c.far.largest = Infinity;
  await eventually('the frame is made up for', () => shown().commits === 2);
  t.ok(pixels(c, 0)!.length === 4 * MIB && pixels(c, 0)!.every(byte => byte === 3));
  await c.app.roundtrip();
  t.ok(c.app.all('wl_buffer.release').some(({ id }) => id === buffer));

  c.far.largest = MIB;
  const larger = new DrawnPool(c, 8 * MIB);
  show(c, { surface: a.surface, buffer: larger.buffer(0, 2048, 1024) }, EVERYTHING);
  c.app.say(a.surface, 'destroy');
  await eventually('it is closed', () => c.far.peer.all('wl_surface.destroy').length === 1);
  t.same(c.ends, []);
  for (const { pool } of [a, { pool: large }, { pool: larger }]) pool.close();
});

withApp('an application that leaves while it waits for memory leaves nothing', async (t, c) => {
  c.far.slabAnswer = 'refuse';
  const w = window(c);
  show(c, w, EVERYTHING);
  await eventually('it is asked for again', () => c.far.asked.length > 2);
  c.app.close();
  await eventually('the link ends', () => c.far.peer.ended);
  w.pool.close();
  t.same(c.ends, [undefined]);
});

withApp('a roomy slab that is refused is asked for again, just large enough', async (t, c) => {
  c.far.largest = 3 * MIB;
  const surface = c.app.make(c.factory, 'create_surface');
  const pool = new DrawnPool(c, 3 * MIB);
  const buffer = pool.buffer(0, 1024, 768);
  show(c, { surface, buffer }, EVERYTHING);
  await settle();
  t.same(
    c.far.asked.map(({ size }) => size / MIB),
    [6, 3],
  );
  t.same(c.connection.counters, { frames: 1, held: 0, bytesCopied: 3 * MIB, bytesNotCopied: 0 });
  pool.close();
});

withApp('a slab smaller than it was said to be is no memory', async (t, c) => {
  c.far.slabAnswer = 'wait';
  const w = window(c);
  show(c, w, EVERYTHING);
  await settle();
  c.far.grant(c.far.asked[0]!.id, MIB, 8192);
  await eventually('it asks once more, for no more than it needs', () => c.far.asked.length === 2);
  c.far.grant(c.far.asked[1]!.id, c.far.asked[1]!.size, 0);
  await fails(t, c, 1, NO_MEMORY, /cannot map \d+ bytes/);
  w.pool.close();
});

withApp('a slab that is granted twice, or is no memory, ends the connection', async (t, c) => {
  const w = window(c);
  show(c, w, EVERYTHING);
  await settle();
  c.far.peer.say(c.far.asked[0]!.id, 'memory', [new OwnedFd(native.memfd('virtwl-second', MIB, 0)), MIB]);
  await c.app.isEnded();
  t.match(c.ends, [{ message: /answered twice/ }]);
  w.pool.close();

  const d = await connectApp(t);
  d.far.slabAnswer = 'wait';
  const w2 = window(d);
  show(d, w2, EVERYTHING);
  await settle();
  const [read, write] = native.pipe();
  native.close(write);
  d.far.peer.say(d.far.asked[0]!.id, 'memory', [new OwnedFd(read), MIB]);
  await d.app.isEnded();
  t.match(d.ends, [{ message: /no memory/ }]);
  w2.pool.close();
  d.app.close();
  d.far.close();
});

withApp('a pool whose file is too short is invalid_fd, of the buffer', async (t, c) => {
  const other = await connectApp(t);
  const surface = c.app.make(c.factory, 'create_surface');
  const pool = new DrawnPool(c, 64 * 4096, 4096);
  const buffer = pool.buffer(0, 128, 128);
  show(c, { surface, buffer }, EVERYTHING);
  await fails(t, c, buffer, INVALID_FD, /shorter than the pool/);
  t.equal(c.far.peer.all('wl_surface.commit').length, 0, 'it was not shown');
  pool.close();
  const w = window(other);
  show(other, w, EVERYTHING);
  await other.app.roundtrip();
  t.equal(other.connection.counters.frames, 1);
  w.pool.close();
  other.app.close();
  other.far.close();
});

withApp('a pool that is cut off later is so from then on', async (t, c) => {
  const surface = c.app.make(c.factory, 'create_surface');
  const pool = new DrawnPool(c, 64 * 1024);
  const buffer = pool.buffer(0, 128, 128);
  show(c, { surface, buffer }, EVERYTHING);
  await settle();
  t.equal(c.connection.counters.frames, 1);
  pool.truncate(8192);
  show(c, { surface, buffer }, [0, 0, 128, 2]);
  await settle();
  t.equal(c.connection.counters.frames, 1, 'the link buffer is new: all of it is read');
  await fails(t, c, buffer, INVALID_FD, /shorter than the pool/);
  pool.close();
});

withApp('a pool that was cut off, whose buffer is destroyed before the commit, is our way to say so', async (t, c) => {
  const surface = c.app.make(c.factory, 'create_surface');
  const pool = new DrawnPool(c, 64 * 1024, 1);
  const buffer = pool.buffer(0, 128, 128);
  c.app.say(surface, 'attach', [buffer, 0, 0]);
  c.app.say(buffer, 'destroy');
  c.app.say(surface, 'commit');
  await fails(t, c, 1, 3, /shorter than the pool/);
  pool.close();
});

for (const [what, say, object, code, message] of [
  [
    'a pool of size 0',
    c => c.app.make(c.shm, 'create_pool', ['new', memfd(4096), 0]),
    'shm',
    INVALID_STRIDE,
    /pool size/,
  ],
  [
    'a pool of a pipe',
    c => c.app.make(c.shm, 'create_pool', ['new', readEnd(), 4096]),
    'shm',
    INVALID_FD,
    /failed mmap/,
  ],
  [
    'a pool with an id in use',
    c => c.app.say(c.shm, 'create_pool', [c.shm, memfd(4096), 4096]),
    1,
    INVALID_OBJECT,
    /invalid id/,
  ],
  [
    'a pool with an id far away',
    c => c.app.say(c.shm, 'create_pool', [0x00ffffff, memfd(4096), 4096]),
    1,
    INVALID_OBJECT,
    /invalid id/,
  ],
  [
    "a pool with a compositor's id",
    c => c.app.say(c.shm, 'create_pool', [0xff000000, memfd(4096), 4096]),
    1,
    INVALID_OBJECT,
    /invalid id/,
  ],
  [
    'a buffer outside of its pool',
    (c, pool) => c.app.make(pool, 'create_buffer', ['new', 4000, 10, 10, 40, 0]),
    'pool',
    INVALID_STRIDE,
    /at offset 4000/,
  ],
  [
    'a buffer of a format that is not carried',
    (c, pool) => c.app.make(pool, 'create_buffer', ['new', 0, 10, 10, 40, 0x3231564e]),
    'pool',
    0,
    /format/,
  ],
  [
    'a buffer with an id in use',
    (c, pool) => c.app.say(pool, 'create_buffer', [pool, 0, 1, 1, 4, 0]),
    1,
    INVALID_OBJECT,
    /invalid id/,
  ],
  ['a pool that shrinks', (c, pool) => c.app.say(pool, 'resize', [4095]), 'pool', INVALID_FD, /shrinking/],
  ['a pool of negative size', (c, pool) => c.app.say(pool, 'resize', [-1]), 'pool', INVALID_FD, /shrinking/],
  [
    'a pool as a region',
    (c, pool) => c.app.words(c.app.make(c.factory, 'create_surface'), 5, pool),
    1,
    INVALID_OBJECT,
    /for region/,
  ],
  [
    'a pool as a buffer',
    (c, pool) => c.app.words(c.app.make(c.factory, 'create_surface'), 1, pool, 0, 0),
    1,
    INVALID_OBJECT,
    /for buffer/,
  ],
  [
    'a surface as a buffer',
    c => {
      const surface = c.app.make(c.factory, 'create_surface');
      c.app.words(surface, 1, surface, 0, 0);
    },
    1,
    INVALID_OBJECT,
    /for buffer/,
  ],
  [
    'a destroyed buffer',
    (c, pool) => {
      const buffer = c.app.make(pool, 'create_buffer', ['new', 0, 1, 1, 4, 0]);
      c.app.say(buffer, 'destroy');
      c.app.words(c.app.make(c.factory, 'create_surface'), 1, buffer, 0, 0);
    },
    1,
    INVALID_OBJECT,
    /for buffer/,
  ],
  [
    'a destroyed pool',
    (c, pool) => {
      c.app.say(pool, 'destroy');
      c.app.words(pool, 2, 8192);
    },
    1,
    INVALID_OBJECT,
    /invalid object/,
  ],
  [
    'a hidden global',
    c => c.app.bind(c.registry, nameOf('zwlr_screencopy_manager_v1'), 'zwlr_screencopy_manager_v1', 3),
    'registry',
    INVALID_OBJECT,
    /invalid global/,
  ],
  [
    'the memory of the link',
    c => c.app.bind(c.registry, nameOf('virtwl_memory_v1'), 'virtwl_memory_v1', 1),
    'registry',
    INVALID_OBJECT,
    /invalid global/,
  ],
] as [string, (c: AppAndLink, pool: number) => unknown, 'shm' | 'pool' | 'registry' | number, number, RegExp][]) {
  withApp(`${what} is refused, and all is given back`, async (t, c) => {
    const pool = c.app.make(c.shm, 'create_pool', ['new', memfd(4096), 4096]);
    say(c, pool);
    const id = object === 'shm' ? c.shm : object === 'pool' ? pool : object === 'registry' ? c.registry : object;
    await fails(t, c, id, code, message);
  });
}

function memfd(size: number): OwnedFd {
  return new OwnedFd(native.memfd('virtwl-app-pool', size, 0));
}

function readEnd(): OwnedFd {
  const [read, write] = native.pipe();
  native.close(write);
  return new OwnedFd(read);
}

withApp('the registry shows what can be carried and is meant for it', async (t, c) => {
  t.same(
    c.app.all('wl_registry.global').map(({ args }) => args[1]),
    LINK_GLOBALS.map(([name]) => name).filter(name => !/screencopy|virtwl/.test(name)),
  );
});

withApp('formats that are not carried are not offered', async (t, c) => {
  const far = c.far.peer
    .all('wl_registry.bind')
    .map(({ args }) => args[1] as { interface: string; id: number })
    .find(bind => bind.interface === 'wl_shm')!.id;
  for (const format of [0, 1, 0x36314752, 0x3231564e, 0x56595559]) c.far.peer.say(far, 'format', [format]);
  await settle();
  t.same(
    c.app.all('wl_shm.format').map(({ args }) => args[0]),
    [0, 1, 0x36314752],
  );
});

withApp('rows that overlap are shown as they lie in memory', async (t, c) => {
  const pool = new DrawnPool(c, 37 * 9 + 40);
  pool.bytes.forEach((_, at, all) => (all[at] = at % 251));
  const surface = c.app.make(c.factory, 'create_surface');
  show(c, { surface, buffer: pool.buffer(0, 10, 10, 37) }, EVERYTHING);
  await settle();
  const rows = Array.from({ length: 10 }, (_, y) => Buffer.from(pool.bytes.subarray(37 * y, 37 * y + 40)));
  t.ok(pixels(c)!.equals(Buffer.concat(rows)));
  pool.close();
});

withApp('an attach with an offset is refused at once where there is an offset request', async (t, c) => {
  const w = windowOfVersion(c, 5);
  c.app.say(w.surface, 'attach', [w.buffer, 0, 0]);
  c.app.say(w.surface, 'attach', [w.buffer, 0, 1]);
  await fails(t, c, w.surface, 3, /wl_surface.attach at 0, 1/);
  t.equal(c.far.peer.all('wl_surface.commit').length, 0, 'before any commit');
  w.pool.close();
});

withApp('before that, the offset is told', async (t, c) => {
  const w = windowOfVersion(c, 4);
  show(c, w, EVERYTHING, [5, -5]);
  await settle();
  t.match(c.far.peer.last('wl_surface.attach').args.slice(1), [5, -5]);
  w.pool.close();
});

// ---- without a glue ------------------------------------------------------------------------------------------

const NESTED = LINK_GLOBALS.map(([name, version]): readonly [string, number] =>
  name === 'virtwl_memory_v1' ? ['wp_tearing_control_manager_v1', 1] : [name, version],
);

/** An allocator that answers when it is told to. */
class FakeAllocator {
  readonly waiting: { bytes: number; resolve: (memory: Memory) => void; reject: (error: Error) => void }[] = [];
  granting = true;
  readonly client = {
    allocate: (bytes: number) =>
      new Promise<Memory>((resolve, reject) => {
        if (this.granting) resolve(new Memory(native.memfd('virtwl-allocated', bytes, 0), bytes));
        else this.waiting.push({ bytes, resolve, reject });
      }),
  } as unknown as AllocatorClient;
}

const allocator = new FakeAllocator();

withApp(
  'where no glue is, memory comes from the own allocator and goes over as a pool',
  async (t, c) => {
    const w = window(c);
    w.pool.bytes.fill(0x77);
    show(c, w, EVERYTHING);
    await settle();
    t.ok(pixels(c)!.equals(Buffer.alloc(400, 0x77)));
    t.match(c.far.peer.last('wl_shm.create_pool').args, { 2: MIB });
    w.pool.close();
  },
  { globals: NESTED, allocator: () => allocator.client },
);

withApp(
  'where no glue is, memory that comes too late, or is refused, leaves nothing behind',
  async (t, c) => {
    allocator.granting = false;
    const w = window(c);
    show(c, w, EVERYTHING);
    await settle();
    c.app.close();
    c.far.close();
    c.connection.close();
    allocator.waiting.pop()!.resolve(new Memory(native.memfd('virtwl-allocated', MIB, 0), MIB));
    await settle();
    w.pool.close();
    t.equal(allocator.waiting.length, 0);

    const d = await connectApp(t, { globals: NESTED, allocator: () => allocator.client });
    const w2 = window(d);
    show(d, w2, EVERYTHING);
    await settle();
    allocator.waiting.pop()!.reject(new AllocationRefused(Status.OverBudget, MIB));
    await settle();
    t.same(d.ends, [], 'that may change');
    allocator.waiting.pop()!.reject(new Error('the connection is lost'));
    await fails(t, d, 1, NO_MEMORY, /the connection is lost/);
    w2.pool.close();
    d.app.close();
    d.far.close();
  },
  { globals: NESTED, allocator: () => allocator.client },
);

for (const [width, stride, height, format] of [
  [1, 1, 0x7fffffff, 0x20203852], // four bytes a row on the link
  [0x7fffffff, 0x7fffffff, 1, 0x20203852],
] as const) {
  for (const options of [{}, { globals: NESTED, allocator: () => allocator.client }]) {
    withApp(
      `a buffer of ${width}x${height}, which is more than a pool can be on the link, is no memory`,
      async (t, c) => {
        const surface = c.app.make(c.factory, 'create_surface');
        const pool = c.app.make(c.shm, 'create_pool', ['new', memfd(4096), 0x7fffffff]);
        const buffer = c.app.make(pool, 'create_buffer', ['new', 0, width, height, stride, format]);
        show(c, { surface, buffer }, EVERYTHING);
        await fails(t, c, 1, NO_MEMORY, /a slab of \d+ bytes: a pool has at most/);
      },
      options,
    );
  }
}

for (const [who, options] of [
  ['a glue', {}],
  ['an allocator', { globals: NESTED, allocator: () => allocator.client }],
] as const) {
  withApp(
    `${who} that never answers is waited for so long, and only by those who need memory`,
    async (t, c) => {
      c.far.slabAnswer = 'wait';
      allocator.granting = false;
      await c.app.roundtrip();
      const w = window(c);
      show(c, w, EVERYTHING);
      await eventually('it asks again', () => c.far.asked.length + allocator.waiting.length > 1);
      t.same(c.ends, []);
      w.pool.close();
      allocator.waiting.length = 0;
    },
    { ...options, memoryTimeoutMs: 30 },
  );
}

for (const [what, options, message] of [
  ['without an allocator', { globals: NESTED }, /this VM has no allocator/],
  [
    'without wl_shm at the other end',
    {
      globals: [
        ['wl_compositor', 6],
        ['zwp_none', 1],
      ],
    },
    /no wl_shm/,
  ],
] as const) {
  t.test(`a client ${what} gets an error when it shows something`, async t => {
    const held = new Holdings();
    const cleanups: (() => void)[] = [];
    const c = await connectApp({ teardown: (work: () => void) => cleanups.unshift(work) }, options);
    if (what.includes('wl_shm')) {
      await c.app.isEnded();
      t.match(c.app.last('wl_display.error').args[2], /invalid global wl_shm/);
    } else {
      const w = window(c);
      show(c, w, EVERYTHING);
      await fails(t, c, 1, NO_MEMORY, message);
      w.pool.close();
    }
    c.app.close();
    c.far.close();
    for (const cleanup of cleanups) cleanup();
    await held.assertSame(t);
  });
}

// ---- fds -------------------------------------------------------------------------------------------------------

/** The application has an offer of the compositor's; returns its id. */
async function offered(c: AppAndLink): Promise<number> {
  const seat = c.app.bind(c.registry, nameOf('wl_seat'), 'wl_seat', 5);
  const manager = c.app.bind(c.registry, nameOf('wl_data_device_manager'), 'wl_data_device_manager', 3);
  c.app.make(manager, 'get_data_device', ['new', seat]);
  await settle();
  const device = c.far.peer.last('wl_data_device_manager.get_data_device').args[0] as number;
  c.far.peer.say(device, 'data_offer', [0xff000000]);
  await settle();
  return 0xff000000;
}

withApp('a paste goes through a pipe of the device into that of the application', async (t, c) => {
  const offer = await offered(c);
  const [read, write] = native.pipe();
  c.app.say(offer, 'receive', ['text/plain', new OwnedFd(write)]);
  await settle();
  const far = c.far.peer.takeFd(c.far.peer.last('wl_data_offer.receive').args[1]);
  t.equal(c.transfers.count, 1);
  const text = Buffer.from('what was copied');
  native.write(far.fd, text, 0, text.length);
  far.close();
  const buffer = new Uint8Array(100);
  let got = 0;
  await eventually('the text arrives', () => (got = Math.max(got, native.read(read, buffer))) > 0);
  t.equal(Buffer.from(buffer.subarray(0, got)).toString(), 'what was copied');
  await eventually('and ends', () => native.read(read, buffer) === 0);
  await eventually('the transfer is over', () => c.transfers.count === 0);
  native.close(read);
});

withApp(`more than ${MAX_TRANSFERS} pastes at a time end at once`, async (t, c) => {
  const offer = await offered(c);
  const readEnds: number[] = [];
  for (let i = 0; i < MAX_TRANSFERS + 5; i++) {
    const [read, write] = native.pipe();
    readEnds.push(read);
    c.app.say(offer, 'receive', ['text/plain', new OwnedFd(write)]);
    if (i % 20 === 0) await settle(3);
  }
  await c.far.peer.receives('wl_data_offer.receive', MAX_TRANSFERS + 5);
  t.equal(c.transfers.count, MAX_TRANSFERS);
  const buffer = new Uint8Array(10);
  t.equal(native.read(readEnds[0]!, buffer), -1, 'the first waits for its text');
  t.equal(native.read(readEnds.at(-1)!, buffer), 0, 'the last has ended');
  const refused = c.far.peer.last('wl_data_offer.receive').args[1] as OwnedFd;
  t.throws(() => native.write(refused.fd, buffer, 0, 10), { code: 'EPIPE' });
  t.same(c.ends, []);
  for (const fd of readEnds) native.close(fd);
  await eventually('those whose reader went are over', () => c.transfers.count === 0);
});

async function keyboard(c: AppAndLink): Promise<number> {
  const seat = c.app.bind(c.registry, nameOf('wl_seat'), 'wl_seat', 5);
  c.app.make(seat, 'get_keyboard');
  await settle();
  return c.far.peer.last('wl_seat.get_keyboard').args[0] as number;
}

withApp('a keymap becomes a file of the application, of a sealed size', async (t, c) => {
  const theirs = await keyboard(c);
  const source = memfd(8192);
  const text = Buffer.from('xkb_keymap { a keymap }\0');
  native.write(source.fd, text, 0, text.length);
  c.far.peer.say(theirs, 'keymap', [1, source, text.length]);
  await settle();
  const { args } = c.app.last('wl_keyboard.keymap');
  t.match([args[0], args[2]], [1, text.length]);
  const fd = args[1] as OwnedFd;
  t.equal(fd.info().size, text.length);
  t.equal(native.seals(fd.fd) & (SEAL_GROW | SEAL_SHRINK | SEAL_WRITE), SEAL_GROW | SEAL_SHRINK);
  const mapping = native.map(fd.fd, 0, text.length, false);
  t.equal(Buffer.from(mapping.buffer).toString(), text.toString());
  mapping.unmap();
});

withApp('no keymap is no keymap', async (t, c) => {
  const theirs = await keyboard(c);
  c.far.peer.say(theirs, 'keymap', [0, memfd(4096), 0]);
  await settle();
  t.match(c.app.last('wl_keyboard.keymap').args, { 0: 0, 2: 0 });
  t.same(c.ends, []);
});

for (const [what, make, size] of [
  ['of a size that no keymap has', () => memfd(4096), MAX_KEYMAP_BYTES + 1],
  ['of the largest size there is', () => memfd(4096), 0xffffffff],
  ['that is no memory', readEnd, 4096],
  ['in memory that is too short', () => memfd(4096), 64 * 1024],
] as const) {
  withApp(`a keymap ${what} ends the connection`, async (t, c) => {
    const theirs = await keyboard(c);
    c.far.peer.say(theirs, 'keymap', [1, make(), size]);
    await c.app.isEnded();
    t.ok(c.ends[0] instanceof Error);
    t.same(c.app.all('wl_keyboard.keymap'), []);
  });
}

t.test('a keymap of the largest size that is carried is carried', async t => {
  const c = await connectApp(t);
  const theirs = await keyboard(c);
  c.far.peer.say(theirs, 'keymap', [1, memfd(MAX_KEYMAP_BYTES), MAX_KEYMAP_BYTES]);
  await settle();
  t.equal((c.app.last('wl_keyboard.keymap').args[1] as OwnedFd).info().size, MAX_KEYMAP_BYTES);
});

t.test('nothing is left behind', async t => before.assertSame(t));
