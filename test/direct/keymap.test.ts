/** A keymap is copied, its descriptor closed, and no size is believed. */
import t from 'tap';
import { MAX_KEYMAP_BYTES, readKeymap } from '../../src/direct/keymap.js';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';

function memory(text: string, size = text.length): OwnedFd {
  const fd = new OwnedFd(native.memfd('virtwl-test', size, 0));
  const mapping = native.map(fd.fd, 0, size, true);
  new Uint8Array(mapping.buffer).set(Buffer.from(text));
  mapping.unmap();
  return fd;
}

t.test('the text ends where a string of C does', async t => {
  const fd = memory('xkb_keymap {};\0rest');
  t.equal(readKeymap(1, fd, 19), 'xkb_keymap {};');
  t.ok(fd.closed);
  t.equal(readKeymap(1, memory('abc'), 3), 'abc', 'or with the memory');
});

t.test('a keyboard without a keymap has none', async t => {
  const fd = memory('abc');
  t.equal(readKeymap(0, fd, 0), undefined);
  t.ok(fd.closed);
});

t.test('sizes are checked', async t => {
  t.equal(readKeymap(1, memory('abc', MAX_KEYMAP_BYTES), MAX_KEYMAP_BYTES), 'abc');
  for (const size of [0, MAX_KEYMAP_BYTES + 1]) {
    const fd = memory('abc');
    t.throws(() => readKeymap(1, fd, size), { name: 'RangeError', message: /1 to 4194304 are read/ });
    t.ok(fd.closed);
  }
  const fd = memory('abc');
  t.throws(() => readKeymap(1, fd, 4), /memory that has fewer/);
  t.ok(fd.closed);
});
