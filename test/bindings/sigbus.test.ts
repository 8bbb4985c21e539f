/** Files that shrink under their mappings. The file is shrunk by its holder here; a hostile peer would do the same. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import t from 'tap';
import { native, type Mapping } from '../../src/system/native.js';
import { leavesNothing, MEMFD, thrownBy } from './held.js';
import { testNative } from '../test-native.js';

// It starts processes or threads, which a busy machine may take its time for. In milliseconds.
t.setTimeout(240_000);

const PAGE = native.pageSize;
const BUILT = new URL('../../../build/Release/virtwl.node', import.meta.url).pathname;

/** `pages` of memory, full of 1, writable, and its file. */
function onesOf(pages: number): { fd: number; mapping: Mapping } {
  const fd = native.memfd(MEMFD, pages * PAGE, 0);
  const mapping = native.map(fd, 0, pages * PAGE, true);
  new Uint8Array(mapping.buffer).fill(1);
  return { fd, mapping };
}

t.test('what the file lost reads as zeros, the rest stays, and the mapping says so', async t => {
  leavesNothing(t, () => {
    const { fd, mapping } = onesOf(4);
    const bytes = new Uint8Array(mapping.buffer);
    testNative.truncate(fd, 2 * PAGE);
    t.equal(bytes[2 * PAGE - 1], 1);
    t.equal(mapping.faulted, false, 'nothing lost was touched yet');
    t.equal(bytes[3 * PAGE], 0);
    t.equal(mapping.faulted, true);
    t.equal(bytes[2 * PAGE], 0);
    t.equal(bytes[2 * PAGE - 1], 1);
    mapping.unmap();
    t.equal(mapping.faulted, true, 'still known afterwards');
    native.close(fd);
  });
});

t.test('lost memory can be written to, and the file sees nothing of it', async t => {
  const { fd, mapping } = onesOf(2);
  testNative.truncate(fd, 0);
  const bytes = new Uint8Array(mapping.buffer);
  bytes[PAGE] = 5;
  t.equal(bytes[PAGE], 5);
  t.equal(mapping.faulted, true);
  t.equal(native.info(fd).size, 0);
  testNative.truncate(fd, 2 * PAGE);
  t.equal(bytes[PAGE], 5, 'from the place of the fault on, the mapping is private');
  mapping.unmap();
  native.close(fd);
});

t.test('only the mapping that was touched is marked', async t => {
  const { fd, mapping } = onesOf(1);
  const second = native.map(fd, 0, PAGE, false);
  const neighbour = onesOf(1);
  testNative.truncate(fd, 0);
  t.equal(new Uint8Array(second.buffer)[0], 0);
  t.same([mapping.faulted, second.faulted, neighbour.mapping.faulted], [false, true, false]);
  t.equal(new Uint8Array(neighbour.mapping.buffer)[0], 1);
  for (const one of [mapping, second, neighbour.mapping]) one.unmap();
  native.close(fd);
  native.close(neighbour.fd);
});

t.test('a mapping longer than its file is found out when it is touched', async t => {
  const fd = native.memfd(MEMFD, PAGE, 0);
  const mapping = native.map(fd, 0, 10 * PAGE, false);
  t.equal(
    new Uint8Array(mapping.buffer).reduce((sum, byte) => sum + byte),
    0,
  );
  t.equal(mapping.faulted, true);
  mapping.unmap();
  native.close(fd);
});

t.test('the last page of a length that is no whole page is guarded too', async t => {
  const fd = native.memfd(MEMFD, PAGE + 10, 0);
  const mapping = native.map(fd, 0, PAGE + 10, false);
  testNative.truncate(fd, 0);
  t.equal(new Uint8Array(mapping.buffer)[PAGE + 9], 0);
  t.equal(mapping.faulted, true);
  mapping.unmap();
  native.close(fd);
});

t.test('a copy out of lost memory is zeros, and goes on to its end', async t => {
  leavesNothing(t, () => {
    const src = onesOf(8);
    const dst = onesOf(8);
    testNative.truncate(src.fd, 3 * PAGE);
    t.equal(
      native.copyRects(dst.mapping, src.mapping, Float64Array.of(0, 8 * PAGE, 0, 8 * PAGE, 8 * PAGE, 1), 1),
      8 * PAGE,
    );
    t.same([src.mapping.faulted, dst.mapping.faulted], [true, false]);
    const copied = new Uint8Array(dst.mapping.buffer);
    t.equal(
      copied.subarray(0, 3 * PAGE).every(byte => byte === 1),
      true,
    );
    t.equal(
      copied.subarray(3 * PAGE).every(byte => byte === 0),
      true,
    );
    for (const { fd, mapping } of [src, dst]) {
      mapping.unmap();
      native.close(fd);
    }
  });
});

t.test('a copy into lost memory harms nobody', async t => {
  const src = onesOf(2);
  const dst = onesOf(2);
  testNative.truncate(dst.fd, 0);
  t.equal(native.copyRects(dst.mapping, src.mapping, Float64Array.of(0, PAGE, 0, PAGE, PAGE, 2), 1), 2 * PAGE);
  t.same([src.mapping.faulted, dst.mapping.faulted], [false, true]);
  for (const { fd, mapping } of [src, dst]) {
    mapping.unmap();
    native.close(fd);
  }
});

t.test('a call into the kernel with lost memory is EFAULT', async t => {
  const { fd, mapping } = onesOf(1);
  testNative.truncate(fd, 0);
  const [a, b] = native.socketpair();
  t.match(
    thrownBy(t, () => native.send(a, new Uint8Array(mapping.buffer), 0, PAGE, [])),
    { code: 'EFAULT' },
  );
  native.close(a);
  native.close(b);
  mapping.unmap();
  native.close(fd);
});

t.test('memory without room for it in its tmpfs is lost memory', async t => {
  const tmpfs = native.createTmpfs(2 * PAGE);
  const file = native.temporaryFile(tmpfs);
  testNative.truncate(file, 3 * PAGE);
  const mapping = native.map(file, 0, 3 * PAGE, true);
  const bytes = new Uint8Array(mapping.buffer);
  bytes[0] = 1;
  bytes[PAGE] = 1;
  t.equal(mapping.faulted, false);
  bytes[2 * PAGE] = 1;
  t.equal(mapping.faulted, true);
  mapping.unmap();
  native.close(file);
  native.close(tmpfs);
});

t.test('touching lost memory here and there does not use mappings up', async t => {
  // The kernel allows a process 65,530 mappings; a replacement page by page would take one for each of these.
  const pages = 20_000;
  const fd = native.memfd(MEMFD, PAGE, 0);
  testNative.truncate(fd, pages * PAGE);
  const mapping = native.map(fd, 0, pages * PAGE, false);
  testNative.truncate(fd, 0);
  const bytes = new Uint8Array(mapping.buffer);
  const count = () => readFileSync('/proc/self/maps', 'utf8').split('\n').length;
  const before = count();
  for (let page = 0; page < pages; page += 2) if (bytes[page * PAGE] !== 0) t.fail(`page ${page}`);
  // Node.js maps some for itself meanwhile.
  t.ok(count() <= before + 100, `${before} mappings before, ${count()} afterwards`);
  for (let page = pages - 1; page >= 0; page -= 2) if (bytes[page * PAGE] !== 0) t.fail(`page ${page}`);
  t.equal(mapping.faulted, true);
  mapping.unmap();
  native.close(fd);
});

t.test('nor does touching it from its end to its start', async t => {
  const pages = 2000;
  const fd = native.memfd(MEMFD, pages * PAGE, 0);
  const mapping = native.map(fd, 0, pages * PAGE, true);
  testNative.truncate(fd, 0);
  const bytes = new Uint8Array(mapping.buffer);
  const count = () => readFileSync('/proc/self/maps', 'utf8').split('\n').length;
  const before = count();
  for (let page = pages - 1; page >= 0; page -= 2) bytes[page * PAGE] = 1;
  // Node.js maps some for itself meanwhile.
  t.ok(count() <= before + 100, `${before} mappings before, ${count()} afterwards`);
  mapping.unmap();
  native.close(fd);
});

t.test('entries of the guard are used again: a thousand mappings, then a fault', async t => {
  for (let i = 0; i < 1000; i++) {
    const { fd, mapping } = onesOf(1);
    mapping.unmap();
    native.close(fd);
  }
  const many = Array.from({ length: 50 }, () => onesOf(1));
  const hit = many[25]!;
  testNative.truncate(hit.fd, 0);
  t.equal(new Uint8Array(hit.mapping.buffer)[0], 0);
  t.same(
    many.filter(({ mapping }) => mapping.faulted),
    [hit],
  );
  for (const { fd, mapping } of many) {
    mapping.unmap();
    native.close(fd);
  }
});

/** Runs a script in a process of its own. `map()` there makes a mapping, and with it the guard. */
function runApart(script: string): { status: number | null; signal: string | null; stdout: string } {
  return spawnSync(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `const { native } = await import(${JSON.stringify(new URL('../../src/system/native.js', import.meta.url).href)});
       const { testNative } = await import(${JSON.stringify(new URL('../test-native.js', import.meta.url).href)});
       const map = () => native.map(native.memfd('${MEMFD}', 4096, 0), 0, 4096, true);
       ${script}`,
    ],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  );
}

t.test('a SIGBUS that a process sends is deadly, as without the guard', async t => {
  const { signal, status, stdout } = runApart(`
    map();
    process.kill(process.pid, 'SIGBUS');
    setTimeout(() => console.log('survived'), 1000);`);
  t.ok(signal === 'SIGBUS' || status !== 0, `ended with ${signal ?? status}`);
  t.equal(stdout, '');
});

t.test('who handled SIGBUS before gets what is not ours', async t => {
  const { stdout, status } = runApart(`
    process.once('SIGBUS', () => { console.log('handled'); clearInterval(alive); });
    const alive = setInterval(() => {}, 1000);
    map();
    process.kill(process.pid, 'SIGBUS');`);
  t.same({ stdout, status }, { stdout: 'handled\n', status: 0 });
});

t.test('a fault in the mapping of another guard goes to that guard', async t => {
  // Two copies of the addon have a guard each; the one that came last sees every fault first.
  const { stdout, status } = runApart(`
    const { copyFileSync, mkdtempSync, rmSync } = await import('node:fs');
    const { createRequire } = await import('node:module');
    const built = process.env.VIRTWL_NATIVE ?? ${JSON.stringify(BUILT)};
    const directory = mkdtempSync('/tmp/virtwl-copy-');
    copyFileSync(built, directory + '/copy.node');
    const copy = createRequire(import.meta.url)(directory + '/copy.node');
    rmSync(directory, { recursive: true });
    const fd = native.memfd('${MEMFD}', 4096, 0);
    const first = native.map(fd, 0, 4096, false);
    const second = copy.map(fd, 0, 4096, false);
    testNative.truncate(fd, 0);
    console.log(new Uint8Array(first.buffer)[0], first.faulted, second.faulted);
    console.log(new Uint8Array(second.buffer)[0], second.faulted);`);
  t.same({ stdout, status }, { stdout: '0 true false\n0 true\n', status: 0 });
});
