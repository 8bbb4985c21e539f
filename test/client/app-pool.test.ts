/** The application's pools and buffers: what a compositor's wl_shm would refuse is refused, and all is given back. */
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { AppBuffer, AppPool, DEFAULT_MAX_POOLS, PoolLimit } from '../../src/client/app-pool.js';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { ProtocolError } from '../../src/relay/call.js';
import { Holdings } from '../holdings.js';
import { testNative } from '../test-native.js';

const before = new Holdings();

const SHM = 7;
const POOL = 9;
const INVALID_FORMAT = 0;
const INVALID_STRIDE = 1;
const INVALID_FD = 2;
const ARGB8888 = 0;
const RGB888 = 0x34324752;

function memfd(size: number): OwnedFd {
  return new OwnedFd(native.memfd('virtwl-pool-test', size, 0));
}

/** A buffer of a pool, as the application's request describes it. */
function bufferIn(
  pool: AppPool,
  offset: number,
  width: number,
  height: number,
  stride: number,
  format = ARGB8888,
): AppBuffer {
  return AppBuffer.create(pool, POOL, { id: 99, offset, width, height, stride, format });
}

function refused(
  t: Test,
  call: () => unknown,
  object: number,
  code: number,
  message: RegExp | string,
  what?: string,
): void {
  let thrown: unknown;
  try {
    call();
  } catch (error) {
    thrown = error;
  }
  t.ok(thrown instanceof ProtocolError, what ?? String(message));
  t.match(thrown, { objectId: object, code, message });
}

t.test('a pool', async t => {
  t.test('is mapped for reading, and lives until its object and its buffers are gone', async t => {
    const held = new Holdings();
    const live = new Set<AppPool>();
    const fd = memfd(8192);
    const pool = new AppPool(fd, 8192, SHM, live);
    t.equal(pool.size, 8192);
    t.equal(pool.mapping.length, 8192);
    t.equal(live.has(pool), true);
    const one = bufferIn(pool, 0, 16, 16, 64);
    const two = bufferIn(pool, 1024, 16, 16, 64);
    pool.destroyed();
    t.equal(one.file, fd.fd, 'no resize can come, but the buffers were not read yet');
    one.wasRead();
    one.wasRead();
    t.equal(one.file, undefined);
    t.equal(two.file, fd.fd);
    two.wasRead();
    t.equal(fd.closed, true, 'the fd is not needed any more');
    t.equal(pool.mapping.length, 8192);
    one.retain();
    one.release();
    one.release();
    t.equal(pool.mapping.length, 8192, 'another buffer lives in it');
    two.release();
    t.equal(pool.mapping.length, 0);
    t.equal(live.size, 0);
    await held.assertSame(t);
  });

  t.test('is given back whatever still uses it, once', async t => {
    const held = new Holdings();
    const live = new Set<AppPool>();
    const pool = new AppPool(memfd(4096), 4096, SHM, live);
    const buffer = bufferIn(pool, 0, 1, 1, 4);
    pool.close();
    pool.close();
    pool.destroyed();
    buffer.release();
    t.equal(live.size, 0);
    await held.assertSame(t);
  });

  t.test('of no size, or a negative one, is refused', async t => {
    const held = new Holdings();
    const live = new Set<AppPool>();
    for (const size of [0, -1, -0x80000000]) {
      refused(t, () => new AppPool(memfd(4096), size, SHM, live), SHM, INVALID_STRIDE, /invalid pool size/);
    }
    t.equal(live.size, 0);
    await held.assertSame(t);
  });

  t.test('of something that cannot be mapped for reading is refused', async t => {
    const directory = mkdtempSync(join(tmpdir(), 'virtwl-test-'));
    t.teardown(() => rmSync(directory, { recursive: true, force: true }));
    const held = new Holdings();
    const live = new Set<AppPool>();
    const [reading, writing] = native.pipe();
    const [one, other] = native.socketpair();
    const things: [string, number][] = [
      ['the read end of a pipe', reading],
      ['the write end of a pipe', writing],
      ['a socket', one],
      ['another', other],
      ['a directory', openSync(directory, 'r')],
      ['a file open for writing only', openSync(join(directory, 'file'), 'w')],
      ['/dev/null', openSync('/dev/null', 'r+')],
    ];
    for (const [what, fd] of things) {
      refused(
        t,
        () => new AppPool(new OwnedFd(fd), 4096, SHM, live),
        SHM,
        INVALID_FD,
        /failed mmap of a pool of 4096 bytes/,
        what,
      );
    }
    await held.assertSame(t, 'each was closed');
  });

  t.test('may be read-only memory', async t => {
    const directory = mkdtempSync(join(tmpdir(), 'virtwl-test-'));
    t.teardown(() => rmSync(directory, { recursive: true, force: true }));
    closeSync(openSync(join(directory, 'file'), 'w'));
    const pool = new AppPool(new OwnedFd(openSync(join(directory, 'file'), 'r')), 4096, SHM, new Set());
    t.equal(pool.mapping.length, 4096);
    pool.close();
  });

  t.test('may be one byte long, or as long as an int can say', async t => {
    for (const size of [1, 0x7fffffff]) {
      const pool = new AppPool(memfd(1), size, SHM, new Set());
      t.equal(pool.size, size);
      pool.close();
    }
  });

  t.test('grows and never shrinks', async t => {
    const held = new Holdings();
    const fd = memfd(4096);
    const pool = new AppPool(fd, 4096, SHM, new Set());
    const buffer = bufferIn(pool, 0, 32, 32, 128);
    refused(t, () => pool.resize(4095, POOL), POOL, INVALID_FD, /shrinking/);
    refused(t, () => pool.resize(0, POOL), POOL, INVALID_FD, /shrinking/);
    refused(t, () => pool.resize(-1, POOL), POOL, INVALID_FD, /shrinking/);
    t.equal(pool.mapping.length, 4096);
    const maps = native.counters().mmap;
    pool.resize(4096, POOL);
    t.equal(native.counters().mmap, maps, 'the same size is nothing to do');
    refused(t, () => bufferIn(pool, 4096, 32, 32, 128), POOL, INVALID_STRIDE, /at offset 4096/);
    testNative.truncate(fd.fd, 3 * 4096);
    const drawn = native.map(fd.fd, 4096, 4096, true);
    new Uint8Array(drawn.buffer).fill(7);
    drawn.unmap();
    pool.resize(8192, POOL);
    t.equal(pool.size, 8192);
    const second = bufferIn(pool, 4096, 32, 32, 128);
    t.equal(new Uint8Array(second.pool.mapping.buffer)[4096], 7);
    t.equal(buffer.pool.mapping, second.pool.mapping, 'older buffers are in the larger mapping too');
    for (const each of [buffer, second]) each.release();
    pool.destroyed();
    t.equal(pool.mapping.length, 0);
    await held.assertSame(t);
  });

  t.test('is one of so many that all applications may have, and one of them half', async t => {
    t.equal(new PoolLimit().most, DEFAULT_MAX_POOLS);
    const held = new Holdings();
    const one = memfd(4096);
    const limit = new PoolLimit(20);
    const lives = [new Set<AppPool>(), new Set<AppPool>(), new Set<AppPool>()] as const;
    const make = (live: Set<AppPool>): AppPool => new AppPool(new OwnedFd(native.dup(one.fd)), 4096, SHM, live, limit);
    for (let i = 0; i < 10; i++) make(lives[0]);
    refused(t, () => make(lives[0]), 1, 2, /this program has 10 pools, and all have 10 of 20/, 'no_memory');
    for (let i = 0; i < 9; i++) make(lives[1]);
    make(lives[2]);
    refused(t, () => make(lives[2]), 1, 2, /this program has 1 pools, and all have 20 of 20/, 'no_memory');
    [...lives[0]][5]!.close();
    make(lives[2]);
    t.equal(limit.count, 20);
    for (const live of lives) for (const pool of [...live]) pool.close();
    t.equal(limit.count, 0);
    one.close();
    await held.assertSame(t);
  });
});

t.test('a buffer', async t => {
  const SIZE = 64 * 1024;
  const pool = new AppPool(memfd(SIZE), SIZE, SHM, new Set());
  t.teardown(() => pool.close());
  const create = (offset: number, width: number, height: number, stride: number, format = ARGB8888): AppBuffer =>
    bufferIn(pool, offset, width, height, stride, format);

  t.test('lies inside its pool', async t => {
    for (const [what, args] of Object.entries({
      'rows that overlap': [0, 128, 1, 511],
      'the whole pool': [0, 128, 128, 512],
      'its last row': [SIZE - 512, 128, 1, 512],
      'its last pixel': [SIZE - 4, 1, 1, 4],
      'a row with room behind it': [0, 1, 1, SIZE],
      'an odd offset': [1, 1, 1, 4],
      'an odd stride': [0, 10, 10, 43],
    })) {
      const buffer = create(...(args as [number, number, number, number]));
      t.match(buffer, { offset: args[0], width: args[1], height: args[2], stride: args[3], bytesPerPixel: 4 }, what);
      buffer.release();
    }
    for (const [what, args] of Object.entries({
      'a negative offset': [-1, 1, 1, 4],
      'the lowest offset': [-0x80000000, 1, 1, 4],
      'an offset behind the pool': [SIZE, 1, 1, 4],
      'the highest offset': [0x7fffffff, 1, 1, 4],
      'one byte too far': [SIZE - 3, 1, 1, 4],
      'one row too many': [0, 128, 129, 512],
      'one row too many, behind an offset': [512, 128, 128, 512],
      'no width': [0, 0, 1, 4],
      'a negative width': [0, -1, 1, 4],
      'no height': [0, 1, 0, 4],
      'a negative height': [0, 1, -1, 4],
      'no stride': [0, 1, 1, 0],
      'a negative stride': [0, 1, 1, -4],
      'a stride below the width': [0, 128, 1, 127],
      'a short stride whose last row leaves the pool': [0, 128, 129, 511],
      'a width whose bytes overflow an int': [0, 0x40000001, 1, 4],
      'the largest width': [0, 0x7fffffff, 1, 0x7fffffff],
      'stride times height over an int': [0, 1, 0x40000000, 8],
      'stride times height that wraps to nothing': [0, 1, 0x10000, 0x10000],
      'the largest of all': [0x7fffffff, 0x7fffffff, 0x7fffffff, 0x7fffffff],
    })) {
      refused(
        t,
        () => create(...(args as [number, number, number, number])),
        POOL,
        INVALID_STRIDE,
        /invalid width, height or stride/,
        what,
      );
    }
  });

  t.test('has a format that is carried, and a stride for its pixels', async t => {
    for (const format of [
      2, 0xffffffff, 0x3231564e /* NV12: two planes */, 0x56595559 /* YUYV */, 0x20203843 /* C8: a palette */,
    ]) {
      refused(t, () => create(0, 1, 1, 64, format), POOL, INVALID_FORMAT, /invalid format 0x/);
    }
    for (const [format, bytes] of [
      [ARGB8888, 4],
      [1, 4],
      [RGB888, 3],
      [0x36314752, 2],
      [0x20203852, 1],
      [0x38344241, 8],
    ] as const) {
      create(0, 10, 1, 10 * bytes, format).release();
      refused(t, () => create(0, 10, 1, 9, format), POOL, INVALID_STRIDE, /./);
      create(SIZE - 10 * bytes, 10, 1, 10, format).release();
      refused(t, () => create(SIZE - 10 * bytes + 1, 10, 1, 10, format), POOL, INVALID_STRIDE, /./);
    }
  });
});

t.test('nothing is left behind', async t => before.assertSame(t));
