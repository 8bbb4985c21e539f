/** The library of a program that draws straight into shared memory, at a made-up compositor's other end. */
import t from 'tap';
import { DirectClient } from '../../src/direct/direct.js';
import { MAX_BUFFER_SIDE, type SharedBuffer } from '../../src/direct/shared-surface.js';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { UnixSocket } from '../../src/system/unix-socket.js';
import { mappingsOf, openDescriptors } from '../descriptors.js';
import { connectDesktop, deviceOf, FakeDesktop } from '../client/fake-desktop.js';

t.test('what is drawn is in the memory that the compositor has, where the buffer says', async t => {
  const { client, desktop } = await connectDesktop(t);
  const window = await client.createWindow({ size: { width: 70, height: 50 } });
  t.equal(client.source.name, 'glue');
  const buffer = await window.nextBuffer();
  t.match(buffer, { width: 70, height: 50, stride: 280, age: 0 });
  t.equal(buffer.pixels.length, 70 * 50);
  buffer.pixels.forEach((_, i) => (buffer.pixels[i] = i));
  window.commit(buffer);
  await client.roundtrip();

  const [shown] = desktop.shown;
  t.same(shown!.damage, [[0, 0, 70, 50]], 'all of it is damaged when nothing is said');
  const [, offset, width, height, stride, format] = desktop.buffers.get(shown!.buffer)!;
  t.same([width, height, stride, format], [70, 50, 280, 1]);
  const [memory] = desktop.granted.values();
  const mapping = memory!.map(memory!.size, false);
  t.teardown(() => mapping.unmap());
  const seen = new Uint32Array(mapping.buffer, offset, 70 * 50);
  t.ok(seen.every((pixel, i) => pixel === i));
});

t.test('small buffers are parts of one slab, and none holds a byte of another', async t => {
  const { client, desktop } = await connectDesktop(t);
  const window = await client.createWindow({ size: { width: 320, height: 240 } });
  const buffers = [await window.nextBuffer(), await window.nextBuffer(), await window.nextBuffer()];
  await client.roundtrip();
  t.equal(client.slabCount, 1);
  t.equal(desktop.granted.size, 1);
  const places = [...desktop.buffers.values()].map(([, offset]) => offset!).sort((a, b) => a - b);
  t.equal(places.length, 3);
  for (let i = 1; i < places.length; i++) t.ok(places[i]! >= places[i - 1]! + 320 * 240 * 4);
  t.ok(places[2]! + 320 * 240 * 4 <= [...desktop.granted.values()][0]!.size);
  t.equal(window.freeBuffer(), undefined, 'and there are no more');
  for (const buffer of buffers) window.discard(buffer);
});

t.test('a buffer is free again when the compositor releases it', async t => {
  const { client, desktop } = await connectDesktop(t);
  const window = await client.createWindow({ buffers: 2 });
  for (let i = 0; i < 2; i++) window.commit(await window.nextBuffer());
  await client.roundtrip();
  t.equal(window.freeBuffer(), undefined);
  const waiting = window.nextBuffer();
  desktop.release(desktop.shown[0]!.buffer);
  const buffer = await waiting;
  t.equal(window.surface.bufferCount, 2, 'no third was made');
  window.commit(buffer);
  await client.roundtrip();
  t.equal(desktop.shown[2]!.buffer, desktop.shown[0]!.buffer);
});

t.test('the age of a buffer says how old its picture is', async t => {
  const { client, desktop } = await connectDesktop(t);
  const window = await client.createWindow();
  const ages: number[] = [];
  const draw = async (): Promise<void> => {
    const buffer = await window.nextBuffer();
    ages.push(buffer.age);
    window.commit(buffer);
    await client.roundtrip();
  };
  const releaseShown = async (n: number): Promise<void> => {
    desktop.release(desktop.shown[n]!.buffer);
    await client.roundtrip();
  };
  await draw();
  await draw();
  await releaseShown(0);
  await draw(); // in the first one: it holds the picture before the last
  await releaseShown(1);
  await releaseShown(2);
  await draw(); // the younger of two
  await draw(); // the other one
  t.same(ages, [0, 0, 2, 1, 3]);

  t.test('and is 0 after it was given back undrawn', async t => {
    await releaseShown(4);
    const buffer = await window.nextBuffer();
    t.equal(buffer.age, 1);
    window.discard(buffer);
    t.equal((await window.nextBuffer()).age, 0);
  });
});

t.test('a frame leaves in one send, with its damage', async t => {
  const { client, desktop } = await connectDesktop(t);
  const window = await client.createWindow();
  const buffer = await window.nextBuffer();
  await client.roundtrip();
  const sends = native.counters().sendmsg;
  const frame = window.nextFrame();
  window.commit(buffer, [
    { x: 1, y: 2, width: 3, height: 4 },
    { x: -5, y: 0, width: 1, height: 1 },
  ]);
  await Promise.resolve();
  t.equal(native.counters().sendmsg - sends, 1);
  await client.roundtrip();
  t.same(desktop.shown[0]!.damage, [
    [1, 2, 3, 4],
    [-5, 0, 1, 1],
  ]);
  desktop.frame();
  t.equal(await frame, 7, "the compositor's time");
});

t.test('steady frames map nothing, open nothing and ask for no memory', async t => {
  const { client, desktop } = await connectDesktop(t);
  const window = await client.createWindow({ size: { width: 320, height: 200 } });
  const draw = async (): Promise<void> => {
    const buffer = await window.nextBuffer();
    buffer.pixels.fill(window.surface.commits);
    const frame = window.nextFrame();
    window.commit(buffer, [{ x: 0, y: 0, width: 8, height: 8 }]);
    await client.roundtrip();
    desktop.frame();
    await frame;
    const before = desktop.shown.at(-2);
    if (before !== undefined) desktop.release(before.buffer);
  };
  for (let i = 0; i < 3; i++) await draw();
  const before = native.counters();
  const objects = client.display.objectCount;
  for (let i = 0; i < 100; i++) await draw();
  const { mmap, munmap, fdsOpened } = native.counters();
  t.same({ mmap, munmap, fdsOpened }, { mmap: before.mmap, munmap: before.munmap, fdsOpened: before.fdsOpened });
  t.equal(desktop.requests.filter(name => name === 'virtwl_memory_v1.allocate').length, 1);
  t.equal(client.display.objectCount, objects);
});

t.test('only a buffer in hand can be committed or given back', async t => {
  const { client } = await connectDesktop(t);
  const window = await client.createWindow();
  const other = await client.createWindow();
  const buffer = await window.nextBuffer();
  t.throws(() => other.commit(buffer), /nextBuffer/, 'of another window');
  window.commit(buffer);
  t.throws(() => window.commit(buffer), /given back/, 'again');
  t.throws(() => window.discard(buffer), /given back/, 'given back after it was shown');
});

t.test('damage and sizes that cannot be are refused before anything is sent', async t => {
  const { client, desktop } = await connectDesktop(t);
  const window = await client.createWindow();
  const buffer = await window.nextBuffer();
  for (const rect of [
    { x: 0.5, y: 0, width: 1, height: 1 },
    { x: 0, y: 0, width: -1, height: 1 },
    { x: 0, y: 2 ** 31, width: 1, height: 1 },
    { x: NaN, y: 0, width: 1, height: 1 },
  ]) {
    t.throws(() => window.commit(buffer, [rect]), RangeError);
  }
  await client.roundtrip();
  t.same(desktop.shown, []);
  window.commit(buffer, []);
  for (const [width, height] of [
    [0, 5],
    [5, 0],
    [MAX_BUFFER_SIDE + 1, 5],
    [1.5, 5],
    [NaN, 5],
  ] as const) {
    t.throws(() => client.createSurface(width, height), RangeError);
    t.throws(() => window.surface.resize(width, height), RangeError);
  }
  t.ok(client.createSurface(MAX_BUFFER_SIDE, 1));
  t.throws(() => client.createSurface(5, 5, 0), RangeError, 'no buffers at all');
});

t.test('a window', async t => {
  t.test('has the size that the compositor gives it, and tells of new ones', async t => {
    const { client, desktop } = await connectDesktop(t);
    desktop.size = [300, 200];
    const window = await client.createWindow({ size: { width: 50, height: 60 } });
    t.same([window.width, window.height], [300, 200]);
    const sizes: number[][] = [];
    window.on('resize', (width, height) => sizes.push([width, height]));
    desktop.configure(300, 200);
    desktop.configure(400, 100);
    desktop.configure(0, 0);
    await client.roundtrip();
    t.same(
      sizes,
      [
        [400, 100],
        [50, 60],
      ],
      'its own where the compositor leaves the choice',
    );
  });

  t.test('answers a configure with the first frame of that size', async t => {
    const { client, desktop } = await connectDesktop(t);
    const window = await client.createWindow();
    const old = await window.nextBuffer();
    const serial = desktop.configure(300, 200);
    await client.roundtrip();
    window.commit(old);
    const buffer = await window.nextBuffer();
    t.same([buffer.width, buffer.height, buffer.age], [300, 200, 0]);
    window.commit(buffer);
    await client.roundtrip();
    t.same(
      desktop.shown.map(({ acked }) => acked),
      [undefined, serial],
    );
  });

  t.test('keeps a size of its own, when told to', async t => {
    const { client, desktop } = await connectDesktop(t);
    desktop.size = [300, 200];
    const window = await client.createWindow({ size: { width: 50, height: 60 }, fixedSize: true });
    t.same([window.width, window.height], [50, 60]);
    window.commit(await window.nextBuffer());
    await client.roundtrip();
    t.ok(desktop.shown[0]!.acked !== undefined, 'the configure is answered all the same');
    const limits = desktop.compositor.received.filter(({ request }) => /set_m.._size/.test(request));
    t.same(
      limits.map(({ args }) => args),
      [
        [50, 60],
        [50, 60],
      ],
    );
  });

  t.test('lets old buffers go as they become free', async t => {
    const { client, desktop } = await connectDesktop(t);
    const window = await client.createWindow({ size: { width: 300, height: 200 } });
    const [shown, held, free] = [await window.nextBuffer(), await window.nextBuffer(), await window.nextBuffer()];
    window.commit(shown);
    window.discard(free);
    desktop.configure(301, 200);
    await client.roundtrip();
    t.equal(desktop.buffers.size, 2, 'the free one at once');
    desktop.release(desktop.shown[0]!.buffer);
    await client.roundtrip();
    await client.roundtrip();
    t.equal(desktop.buffers.size, 1, 'the shown one when it is released');
    window.discard(held);
    await client.roundtrip();
    t.equal(desktop.buffers.size, 0, 'the one in hand when it is given back');
    await window.nextBuffer();
    t.equal(client.slabCount, 1, 'and their memory is used again');
  });

  t.test('waits where the compositor holds more buffers of earlier sizes than it may have of one', async t => {
    const { client, desktop } = await connectDesktop(t);
    const { surface } = await client.createWindow({ buffers: 2 });
    for (let side = 10; side < 13; side++) {
      surface.resize(side, side);
      surface.commit(await surface.nextBuffer());
    }
    surface.resize(20, 20);
    t.equal(surface.freeBuffer(), undefined, 'three it does not let go of');
    await client.roundtrip();
    const waiting = surface.nextBuffer();
    desktop.release(desktop.shown[0]!.buffer);
    t.match(await waiting, { width: 20 }, 'two');
    t.equal(surface.bufferCount, 3);
  });

  t.test('gives a slab back that it has outgrown', async t => {
    const { client, desktop } = await connectDesktop(t);
    const window = await client.createWindow({ size: { width: 300, height: 200 } });
    window.discard(await window.nextBuffer());
    desktop.configure(1000, 1000);
    await client.roundtrip();
    await window.nextBuffer();
    t.equal(client.slabCount, 1);
    const released = desktop.requests.filter(name => /^(wl_shm_pool|virtwl_slab_v1).destroy/.test(name));
    t.same(released, ['wl_shm_pool.destroy', 'virtwl_slab_v1.destroy']);
  });

  t.test('tells when the user wants it closed, and answers pings', async t => {
    const { client, desktop } = await connectDesktop(t);
    const window = await client.createWindow({ title: 'a title', appId: 'an.id', fullscreen: true });
    let closed = false;
    window.on('close', () => (closed = true));
    const toplevel = desktop.compositor.received.find(({ request }) => request === 'xdg_surface.get_toplevel')!.args[0];
    const base = desktop.compositor.received.find(({ request }) => request === 'xdg_wm_base.get_xdg_surface')!.id;
    desktop.compositor.event(toplevel as number, 'close');
    desktop.compositor.event(base, 'ping', [5]);
    desktop.compositor.flush();
    await client.roundtrip();
    t.ok(closed);
    await client.roundtrip();
    const sent = desktop.compositor.received;
    t.match(
      sent.find(({ request }) => request === 'xdg_wm_base.pong'),
      { args: [5] },
    );
    t.match(
      sent.find(({ request }) => request === 'xdg_toplevel.set_title'),
      { args: ['a title'] },
    );
    t.match(
      sent.find(({ request }) => request === 'xdg_toplevel.set_app_id'),
      { args: ['an.id'] },
    );
    t.ok(sent.some(({ request }) => request === 'xdg_toplevel.set_fullscreen'));
  });

  t.test('gives its memory back when it is destroyed, after the compositor has received that', async t => {
    const { client, desktop } = await connectDesktop(t);
    const size = { width: 300, height: 200 };
    const window = await client.createWindow({ size });
    for (let i = 0; i < 3; i++) window.commit(await window.nextBuffer());
    const waiting = window.nextBuffer();
    window.destroy();
    window.destroy();
    await t.rejects(waiting, /destroyed/);
    t.throws(() => window.freeBuffer(), /destroyed/);
    await t.rejects(window.nextBuffer(), /destroyed/);
    await client.roundtrip();
    t.equal(desktop.buffers.size, 0);
    const order = desktop.requests.filter(name => /^(xdg|wl_surface).*destroy/.test(name));
    t.same(order, ['xdg_toplevel.destroy', 'xdg_surface.destroy', 'wl_surface.destroy']);
    const next = await client.createWindow({ size });
    for (let i = 0; i < 3; i++) await next.nextBuffer();
    t.equal(client.slabCount, 1);
    t.equal(desktop.granted.size, 1);
  });
});

t.test('memory that is refused', async t => {
  t.test('is an error of the caller that wanted to draw, and of nobody else', async t => {
    const { client, desktop } = await connectDesktop(t);
    const window = await client.createWindow();
    desktop.slabs = 'refuse';
    await t.rejects(window.nextBuffer(), /refused a slab of \d+ bytes \(reason 2\): the share of this VM is used up/);
    desktop.slabs = 'grant';
    const buffer = await window.nextBuffer();
    window.commit(buffer);
    await client.roundtrip();
    t.equal(desktop.shown.length, 1, 'a later try may succeed');
  });
  t.test('so is a slab that is smaller than it should be', async t => {
    const { client, desktop } = await connectDesktop(t);
    const window = await client.createWindow();
    desktop.slabs = 'short';
    await t.rejects(window.nextBuffer(), /was asked for, and the glue gave one of/);
  });
});

t.test('without glue the memory is our own', async t => {
  const [a, b] = native.socketpair();
  const globals = [
    ['wl_compositor', 4],
    ['wl_shm', 1],
    ['xdg_wm_base', 1],
  ] as const;
  const desktop = new FakeDesktop(new OwnedFd(a), globals);
  t.teardown(() => desktop.close());
  const socket = new UnixSocket(new OwnedFd(b));
  const sizes: number[] = [];
  const { memfdMemory } = await import('../../src/direct/drawing-memory.js');
  const device = { ...deviceOf(socket), allocate: (size: number) => (sizes.push(size), memfdMemory(size)) };
  const client = await DirectClient.overDevice(device);
  t.teardown(() => client.close());
  t.equal(client.source.name, 'own allocation');
  const window = await client.createWindow();
  window.commit(await window.nextBuffer());
  await client.roundtrip();
  t.equal(sizes.length, 1, 'asked of the device');
  const pool = desktop.compositor.received.find(({ request }) => request === 'wl_shm.create_pool')!;
  t.equal(pool.args[2], sizes[0]);
});

t.test('the connection', async t => {
  t.test('needs a compositor that can say what is damaged in a buffer', async t => {
    await t.rejects(
      connectDesktop(t, [
        ['wl_compositor', 3],
        ['wl_shm', 1],
        ['xdg_wm_base', 1],
      ]),
      /version 3/,
    );
    await t.rejects(
      connectDesktop(t, [
        ['wl_compositor', 4],
        ['wl_shm', 1],
      ]),
      /does not offer xdg_wm_base/,
    );
  });

  t.test('is given up when nobody answers', async t => {
    const [a, b] = native.socketpair().map(fd => new OwnedFd(fd)) as [OwnedFd, OwnedFd];
    t.teardown(() => a.close());
    const socket = new UnixSocket(b);
    await t.rejects(DirectClient.overDevice(deviceOf(socket), 'wayland', 50), /no compositor answered within 50 ms/);
    t.ok(socket.closed);
  });

  t.test('ends everything that waits when it ends', async t => {
    const { client, desktop } = await connectDesktop(t);
    const window = await client.createWindow({ buffers: 1 });
    const buffer = await window.nextBuffer();
    const waits = [window.nextBuffer(), window.nextFrame(), client.createWindow()];
    let reason: Error | undefined;
    client.on('end', error => (reason = error));
    desktop.close();
    for (const wait of waits as Promise<unknown>[]) await t.rejects(wait, /closed the connection/);
    t.match(reason, /closed the connection/);
    t.equal(buffer.pixels.length, 0, 'the memory is unmapped');
    t.throws(() => window.commit(buffer));
    t.doesNotThrow(() => window.destroy());
  });

  t.test('leaves no descriptor and no mapping behind', async t => {
    const descriptors = openDescriptors();
    const mappings = mappingsOf('fake-slab');
    for (const slabs of ['grant', 'silent'] as const) {
      const [a, b] = native.socketpair();
      const desktop = new FakeDesktop(new OwnedFd(a));
      desktop.slabs = slabs;
      const client = await DirectClient.overDevice(deviceOf(new UnixSocket(new OwnedFd(b))));
      const window = await client.createWindow();
      const drawn: Promise<SharedBuffer> = window.nextBuffer();
      if (slabs === 'grant') {
        window.commit(await drawn);
        t.equal(mappingsOf('fake-slab'), mappings + 1);
      }
      client.close();
      client.close();
      if (slabs === 'silent') await t.rejects(drawn, /closed by this program/);
      desktop.close();
    }
    t.equal(openDescriptors(), descriptors);
    t.equal(mappingsOf('fake-slab'), mappings);
  });
});
