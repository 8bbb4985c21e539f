import { readFileSync, readlinkSync } from 'node:fs';
import t from 'tap';
import { native, SEAL_GROW, SEAL_SEAL, SEAL_SHRINK, SEAL_WRITE } from '../../src/system/native.js';
import { closeFds, leavesNothing, MEMFD, thrownBy } from './held.js';
import { testNative } from '../test-native.js';

t.test('a memfd has its size, its name and no seals', async t => {
  leavesNothing(t, () => {
    const fd = native.memfd(MEMFD, 12345, 0);
    t.equal(native.info(fd).size, 12345);
    t.equal(native.seals(fd), 0);
    t.equal(readlinkSync(`/proc/self/fd/${fd}`), `/memfd:${MEMFD} (deleted)`);
    t.match(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'), /flags:\t02[0-9]*2\n/, 'close-on-exec');
    native.close(fd);
  });
});

t.test('seals hold from the start, or from when they are added', async t => {
  const sealed = native.memfd(MEMFD, 4096, SEAL_SHRINK | SEAL_GROW);
  t.equal(native.seals(sealed), SEAL_SHRINK | SEAL_GROW);
  t.match(
    thrownBy(t, () => testNative.truncate(sealed, 0)),
    { code: 'EPERM', syscall: 'ftruncate' },
  );
  t.match(
    thrownBy(t, () => testNative.truncate(sealed, 8192)),
    { code: 'EPERM' },
  );
  native.addSeals(sealed, SEAL_WRITE);
  t.match(
    thrownBy(t, () => native.map(sealed, 0, 4096, true)),
    { code: 'EPERM', syscall: 'mmap' },
  );
  native.map(sealed, 0, 4096, false).unmap();
  native.addSeals(sealed, SEAL_SEAL);
  t.match(
    thrownBy(t, () => native.addSeals(sealed, SEAL_SHRINK)),
    { code: 'EPERM', syscall: 'fcntl' },
  );
  native.close(sealed);
});

t.test('memory that is mapped writable is not sealed against writing', async t => {
  const fd = native.memfd(MEMFD, 4096, 0);
  const mapping = native.map(fd, 0, 4096, true);
  t.match(
    thrownBy(t, () => native.addSeals(fd, SEAL_WRITE)),
    { code: 'EBUSY' },
  );
  mapping.unmap();
  native.addSeals(fd, SEAL_WRITE);
  t.equal(native.seals(fd), SEAL_WRITE);
  native.close(fd);
});

t.test('what cannot have seals says so', async t => {
  const [a, b] = native.pipe();
  t.match(
    thrownBy(t, () => native.seals(a)),
    { code: 'EINVAL', syscall: 'fcntl' },
  );
  closeFds(a, b);
});

t.test('names and seals are checked', async t => {
  leavesNothing(t, () => {
    native.close(native.memfd('n'.repeat(249), 0, 0));
    t.throws(() => native.memfd('n'.repeat(250), 0, 0), RangeError);
    t.throws(() => native.memfd('n\0n', 0, 0), TypeError);
    native.close(native.memfd(MEMFD, 0, 15));
    t.throws(() => native.memfd(MEMFD, 0, 16), RangeError, 'a seal that has no name here');
    native.close(native.memfd(MEMFD, 2 ** 53 - 1, 0));
    t.throws(() => native.memfd(MEMFD, 2 ** 53, 0), RangeError);
  });
});

t.test('reserve allocates: the size grows to it, and the memory is there', async t => {
  const fd = native.memfd(MEMFD, 0, 0);
  native.reserve(fd, 10 * native.pageSize);
  t.equal(native.info(fd).size, 10 * native.pageSize);
  native.reserve(fd, 5);
  t.equal(native.info(fd).size, 10 * native.pageSize, 'it does not shrink');
  t.throws(() => native.reserve(fd, 0), RangeError);
  native.close(fd);
  const [a, b] = native.pipe();
  t.match(
    thrownBy(t, () => native.reserve(b, 4096)),
    { code: 'ESPIPE', syscall: 'fallocate' },
  );
  closeFds(a, b);
});

t.test('usage tells what a file system holds', async t => {
  const fd = native.memfd(MEMFD, 0, 0);
  t.match(native.usage(fd), { size: Number, used: Number, inodes: Number });
  native.close(fd);
});
