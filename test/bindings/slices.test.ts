/** A thread that copies lets those in soon that wake up meanwhile. Linux has slices of a thread's own since 6.12. */
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, release } from 'node:os';
import t from 'tap';
import { native } from '../../src/system/native.js';
import { testNative } from '../test-native.js';
import { MEMFD } from './held.js';

/** kShortSlice of `bindings/slices.h`. */
const SHORT_NS = 100_000;
/** More than kSharedBytes of `bindings/copy_partner.h`. */
const SIZE = 8 << 20;

const [major, minor] = release().split('.').map(Number) as [number, number];
const hasSlices = major > 6 || (major === 6 && minor >= 12);

/** How long the slices of all threads of this process are. */
const slices = (): Map<number, number> =>
  new Map(readdirSync('/proc/self/task').map(thread => [Number(thread), testNative.slice(Number(thread))]));

t.test('who copies has short slices, and nobody else', async t => {
  const [to, from] = [0, 1].map(() => {
    const fd = native.memfd(MEMFD, SIZE, 0);
    try {
      return native.map(fd, 0, SIZE, true);
    } finally {
      native.close(fd);
    }
  }) as [ReturnType<typeof native.map>, ReturnType<typeof native.map>];
  t.teardown(() => {
    to.unmap();
    from.unmap();
  });
  const before = slices();
  t.notOk([...before.values()].includes(SHORT_NS));
  const rows = Float64Array.of(0, 4096, 0, 4096, 4096, SIZE / 4096);
  await new Promise(resolve => native.copyRectsInThread(to, from, rows, 1, undefined, resolve));
  const after = [...slices()];
  const short = after.filter(([, slice]) => slice === SHORT_NS).map(([thread]) => thread);
  t.equal(
    short.length,
    hasSlices ? Math.min(2, availableParallelism()) : 0,
    'one of libuv, and its partner if there is one',
  );
  const names = short.map(thread => readFileSync(`/proc/self/task/${thread}/comm`, 'utf8').trim());
  t.equal(names.filter(name => name === 'virtwl-copy').length, hasSlices && availableParallelism() > 1 ? 1 : 0);
  t.notOk(short.includes(process.pid), 'the main thread has what it had');
  t.equal(testNative.slice(process.pid), before.get(process.pid));
});
