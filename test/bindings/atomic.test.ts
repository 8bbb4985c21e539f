import t from 'tap';
import { native, type Mapping } from '../../src/system/native.js';
import { closeFds, leavesNothing, MEMFD } from './held.js';
import { testNative } from '../test-native.js';

function withMapping(length: number, use: (writable: Mapping, readable: Mapping) => void): void {
  const fd = native.memfd(MEMFD, length, 0);
  const writable = native.map(fd, 0, length, true);
  const readable = native.map(fd, 0, length, false);
  try {
    use(writable, readable);
  } finally {
    writable.unmap();
    readable.unmap();
    closeFds(fd);
  }
}

t.test('16-bit numbers of a mapping are stored and loaded, up to its last two bytes', async t => {
  leavesNothing(t, () =>
    withMapping(4096, (writable, readable) => {
      for (const offset of [0, 2, 4094]) {
        for (const value of [0, 1, 0x1234, 0xffff]) {
          native.storeRelease16(writable, offset, value);
          native.fence();
          t.equal(native.loadAcquire16(readable, offset), value);
          t.equal(new Uint16Array(writable.buffer)[offset / 2], value);
        }
      }
    }),
  );
});

t.test('what cannot be such a number is refused, and nothing is touched', async t => {
  withMapping(5, (writable, readable) => {
    t.throws(() => native.loadAcquire16(writable, 1), RangeError);
    t.throws(() => native.loadAcquire16(writable, 4), RangeError, 'half of it lies outside');
    t.throws(() => native.loadAcquire16(writable, 2 ** 52), RangeError);
    t.throws(() => native.storeRelease16(writable, 0, 0x10000), RangeError);
    t.throws(() => native.storeRelease16(readable, 0, 1), TypeError);
    t.throws(() => native.loadAcquire16({} as Mapping, 0), TypeError);
    t.same([...new Uint8Array(writable.buffer)], [0, 0, 0, 0, 0]);
  });
  const gone = native.memfd(MEMFD, 4096, 0);
  const mapping = native.map(gone, 0, 4096, true);
  mapping.unmap();
  closeFds(gone);
  t.throws(() => native.storeRelease16(mapping, 0, 1), /was unmapped/);
});

t.test('memory that went away reads as zero', async t => {
  const fd = native.memfd(MEMFD, 4096, 0);
  const mapping = native.map(fd, 0, 4096, true);
  native.storeRelease16(mapping, 8, 7);
  testNative.truncate(fd, 0);
  t.equal(native.loadAcquire16(mapping, 8), 0);
  t.ok(mapping.faulted);
  mapping.unmap();
  closeFds(fd);
});

t.test('an eventfd counts what is written until it is read', async t => {
  leavesNothing(t, () => {
    const fd = testNative.eventfd();
    const buffer = new Uint8Array(8);
    t.equal(native.read(fd, buffer), -1, 'nothing yet');
    for (let i = 0; i < 3; i++) t.equal(native.write(fd, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0), 0, 8), 8);
    t.equal(native.read(fd, buffer), 8);
    t.same([...buffer], [3, 0, 0, 0, 0, 0, 0, 0]);
    t.match(native.info(fd), { type: 'other', access: 'rw' });
    closeFds(fd);
  });
});
