import t, { type Test } from 'tap';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { splice, SPLICE_BUFFER_BYTES } from '../../src/system/splice.js';
import { openDescriptors } from '../descriptors.js';
import { testNative } from '../test-native.js';
import { eventually } from '../eventually.js';

function pipe(t: Test): { read: OwnedFd; write: OwnedFd } {
  const [read, write] = native.pipe().map(fd => new OwnedFd(fd)) as [OwnedFd, OwnedFd];
  t.teardown(() => {
    read.close();
    write.close();
  });
  return { read, write };
}

/** Writes what the pipe takes now. */
function fill(fd: OwnedFd, bytes: Uint8Array, from: number): number {
  const written = native.write(fd.fd, bytes, from, bytes.length - from);
  return written < 0 ? from : from + written;
}

t.test('every byte arrives, in order, through full pipes', async t => {
  const before = openDescriptors();
  const source = pipe(t);
  const sink = pipe(t);
  const bytes = Buffer.alloc(20 * SPLICE_BUFFER_BYTES + 17);
  for (let at = 0; at < bytes.length; at++) bytes[at] = (at * 31) >>> 3;
  const running = splice(source.read, sink.write);
  const received: Buffer[] = [];
  const chunk = new Uint8Array(10_000);
  let sent = 0;
  await eventually('the end', () => {
    if (!source.write.closed) sent = fill(source.write, bytes, sent);
    if (sent === bytes.length) source.write.close();
    const length = native.read(sink.read.fd, chunk);
    if (length > 0) received.push(Buffer.from(chunk.subarray(0, length)));
    return length === 0;
  });
  t.ok(Buffer.concat(received).equals(bytes));
  t.same(await running.done, { bytes: bytes.length, reason: 'end' });
  sink.read.close();
  t.equal(openDescriptors(), before);
});

t.test('a reader that goes away is noticed at once, also while nothing is written', async t => {
  const source = pipe(t);
  const sink = pipe(t);
  const running = splice(source.read, sink.write);
  sink.read.close();
  t.same(await running.done, { bytes: 0, reason: 'reader-gone' });
  t.throws(() => native.write(source.write.fd, Buffer.from('x'), 0, 1), { code: 'EPIPE' }, 'and so the writer knows');
});

t.test('a reader that goes away in the middle', async t => {
  const source = pipe(t);
  const sink = pipe(t);
  const running = splice(source.read, sink.write);
  // The sink fills up, and so does the buffer.
  const block = new Uint8Array(SPLICE_BUFFER_BYTES);
  await eventually('both pipes to be full', () => native.write(source.write.fd, block, 0, block.length) < 0);
  sink.read.close();
  t.equal((await running.done).reason, 'reader-gone');
});

t.test('sockets do as well', async t => {
  const source = pipe(t);
  const [a, b] = native.socketpair().map(fd => new OwnedFd(fd)) as [OwnedFd, OwnedFd];
  const running = splice(source.read, a);
  fill(source.write, Buffer.from('to a socket'), 0);
  source.write.close();
  t.equal((await running.done).reason, 'end');
  const chunk = new Uint8Array(100);
  const length = native.read(b.fd, chunk);
  t.equal(Buffer.from(chunk.subarray(0, length)).toString(), 'to a socket');
  b.close();
});

t.test('regular files, from and to', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-test-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const text = 'x'.repeat(3 * SPLICE_BUFFER_BYTES + 5);
  writeFileSync(join(directory, 'from'), text);
  const { read, write } = pipe(t);
  const out = splice(new OwnedFd(openSync(join(directory, 'from'), 'r')), write);
  const back = splice(read, new OwnedFd(openSync(join(directory, 'to'), 'w')));
  t.same(await Promise.all([out.done, back.done]), Array(2).fill({ bytes: text.length, reason: 'end' }));
  t.equal(readFileSync(join(directory, 'to'), 'utf8'), text);
});

t.test('a reader that does not read, and clears O_NONBLOCK of the pipe that it shares: nobody waits', async t => {
  const source = pipe(t);
  const sink = pipe(t);
  const shared = native.dup(sink.write.fd);
  const running = splice(source.read, sink.write);
  testNative.setBlocking(shared);
  const block = new Uint8Array(SPLICE_BUFFER_BYTES);
  const full = (): boolean => native.write(source.write.fd, block, 0, block.length) < 0;
  await eventually('both pipes to be full', () => full() && running.bytes === block.length);
  testNative.setBlocking(shared);
  // A turn of the event loop: a process that waits in write(2) has none.
  await new Promise(resolve => setImmediate(resolve));
  t.equal(native.read(sink.read.fd, block), block.length);
  await eventually('more to come', () => running.bytes > block.length);
  running.close();
  native.close(shared);
});

t.test('close stops it and closes both', async t => {
  const source = pipe(t);
  const sink = pipe(t);
  const running = splice(source.read, sink.write);
  running.close();
  running.close();
  t.ok(source.read.closed && sink.write.closed);
  t.same(await running.done, { bytes: 0, reason: 'closed' });
});

t.test('with a time limit, a writer that says nothing is given up', async t => {
  const source = pipe(t);
  const sink = pipe(t);
  const running = splice(source.read, sink.write, { idleTimeoutMs: 20 });
  t.same(await running.done, { bytes: 0, reason: 'idle' });
});

t.test('ends that cannot be read or written: an error, both closed', async t => {
  const source = pipe(t);
  const sink = pipe(t);
  // The wrong way round.
  const running = splice(sink.write, source.read);
  const result = await running.done;
  t.equal(result.reason, 'error');
  t.match(result.error, { code: 'EBADF' });
  t.ok(sink.write.closed && source.read.closed);

  const directory = new OwnedFd(openSync(tmpdir(), 'r'));
  const other = pipe(t);
  t.match(await splice(directory, other.write).done, { reason: 'error' });
  t.ok(directory.closed && other.write.closed);
});
