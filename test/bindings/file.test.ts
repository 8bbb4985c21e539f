import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { native } from '../../src/system/native.js';
import { testNative } from '../test-native.js';
import { closeFds, leavesNothing, MEMFD, thrownBy } from './held.js';

const directory = mkdtempSync(join(tmpdir(), 'virtwl-file-'));
t.teardown(() => rmSync(directory, { recursive: true }));

t.test('a pipe carries bytes one way and blocks nobody', async t => {
  leavesNothing(t, () => {
    const [reader, writer] = native.pipe();
    const buffer = new Uint8Array(16);
    t.equal(native.read(reader, buffer), -1, 'empty');
    t.equal(native.write(writer, new Uint8Array([1, 2, 3, 4, 5]), 1, 3), 3);
    t.equal(native.read(reader, buffer), 3);
    t.same(buffer.subarray(0, 4), [2, 3, 4, 0]);
    const chunk = new Uint8Array(65536);
    while (native.write(writer, chunk, 0, chunk.length) >= 0);
    t.equal(native.write(writer, chunk, 0, 1), -1, 'full');
    while (native.read(reader, chunk) >= 0);
    native.close(writer);
    t.equal(native.read(reader, buffer), 0, 'the end');
    native.close(reader);
  });
});

/** A full and an empty pipe, socket and FIFO. Another process that shares them may have cleared O_NONBLOCK. */
const blocking: Record<string, () => [number, number]> = {
  pipe: () => native.pipe(),
  socket: () => native.socketpair(),
  // Of these, the kernel knows no RWF_NOWAIT up to today.
  FIFO: () => {
    const path = join(directory, 'fifo');
    execFileSync('mkfifo', [path]);
    const fd = openSync(path, 'r+');
    rmSync(path);
    return [fd, native.dup(fd)];
  },
};
for (const [what, make] of Object.entries(blocking)) {
  t.test(`a ${what} whose O_NONBLOCK a sharer has cleared makes nobody wait`, async t => {
    leavesNothing(t, () => {
      const [reader, writer] = make();
      testNative.setBlocking(reader);
      testNative.setBlocking(writer);
      const chunk = new Uint8Array(65536).fill(7);
      t.equal(native.read(reader, chunk), -1, 'empty');
      let written = 0;
      for (let count = 0; count >= 0; count = native.write(writer, chunk, 0, chunk.length)) written += count;
      t.equal(native.write(writer, chunk, 0, chunk.length), -1, 'full');
      let got = 0;
      for (let count = 0; count >= 0; count = native.read(reader, chunk)) got += count;
      t.equal(got, written, 'all that was written came out');
      closeFds(reader, writer);
    });
  });
}

t.test('an eventfd whose O_NONBLOCK a sharer has cleared makes nobody wait', async t => {
  const fd = testNative.eventfd();
  testNative.setBlocking(fd);
  const count = new Uint8Array(8);
  t.equal(native.read(fd, count), -1, 'nothing to take');
  t.equal(native.write(fd, new Uint8Array(8).fill(0xff).fill(0xfe, 0, 1), 0, 8), 8);
  t.equal(native.write(fd, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0), 0, 8), -1, 'no room for one more');
  t.equal(native.read(fd, count), 8);
  native.close(fd);
});

t.test('a pipe on a kernel without RWF_NOWAIT for pipes: spliced, and never waited for', async t => {
  leavesNothing(t, () => {
    const [reader, writer] = native.pipe();
    const text = Buffer.from('by splice');
    const buffer = new Uint8Array(100);
    t.equal(testNative.readPipeBySplice(reader, buffer), -1, 'empty');
    t.equal(testNative.writePipeBySplice(writer, text), text.length);
    t.equal(testNative.readPipeBySplice(reader, buffer), text.length);
    t.equal(Buffer.from(buffer.subarray(0, text.length)).toString(), 'by splice');
    const chunk = new Uint8Array(100_000).map((_, at) => at % 251);
    let written = 0;
    for (let count = 0; count >= 0; count = testNative.writePipeBySplice(writer, chunk.subarray(written % 251)))
      written += count;
    const all: number[] = [];
    const part = new Uint8Array(5000);
    for (let count = 0; count >= 0; count = testNative.readPipeBySplice(reader, part))
      all.push(...part.subarray(0, count));
    t.equal(all.length, written);
    t.ok(
      all.every((byte, at) => byte === at % 251),
      'in order, nothing lost and nothing twice',
    );
    native.close(writer);
    t.equal(testNative.readPipeBySplice(reader, part), 0, 'the end');
    native.close(reader);
    const [none, alone] = native.pipe();
    native.close(none);
    t.match(
      thrownBy(t, () => testNative.writePipeBySplice(alone, text)),
      { code: 'EPIPE' },
    );
    native.close(alone);
  });
});

t.test('a pipe without readers is EPIPE, and no signal', async t => {
  const [reader, writer] = native.pipe();
  native.close(reader);
  t.match(
    thrownBy(t, () => native.write(writer, new Uint8Array(1), 0, 1)),
    {
      code: 'EPIPE',
      errno: 32,
      syscall: 'write',
      message: `EPIPE: broken pipe, write (fd ${writer})`,
    },
  );
  native.close(writer);
});

t.test('a descriptor is closed once', async t => {
  const [reader, writer] = native.pipe();
  closeFds(reader, writer);
  t.match(
    thrownBy(t, () => native.close(reader)),
    { code: 'EBADF', errno: 9, syscall: 'close' },
  );
  for (const call of [
    () => native.read(reader, new Uint8Array(1)),
    () => native.write(reader, new Uint8Array(1), 0, 1),
    () => native.dup(reader),
    () => native.setNonblocking(reader),
    () => native.info(reader),
    () => native.send(reader, new Uint8Array(1), 0, 1, []),
    () => native.recv(reader, new Uint8Array(1), []),
    () => native.accept(reader),
    () => testNative.shutdownWrite(reader),
    () => native.peerCredentials(reader),
    () => native.seals(reader),
    () => native.addSeals(reader, 0),
    () => native.reserve(reader, 1),
    () => testNative.truncate(reader, 1),
    () => native.usage(reader),
    () => native.temporaryFile(reader),
    () => native.map(reader, 0, 1, false),
    () => native.virtwlNew(reader, 0, 0, ''),
    () => native.virtwlSend(reader, new Uint8Array(1), 0, 1, []),
    () => native.virtwlRecv(reader, new Uint8Array(1), []),
    () => new native.Poll(reader, () => {}),
  ]) {
    t.match(thrownBy(t, call), { code: 'EBADF' }, call.toString());
  }
});

t.test('a watched descriptor is not closed under its Poll', async t => {
  const [reader, writer] = native.pipe();
  const poll = new native.Poll(reader, () => {});
  t.match(
    thrownBy(t, () => native.close(reader)),
    { code: 'EBUSY', syscall: 'close' },
  );
  poll.start(1);
  t.match(
    thrownBy(t, () => native.close(reader)),
    { code: 'EBUSY' },
  );
  poll.close();
  closeFds(reader, writer);
});

t.test('a copy is another descriptor of the same file', async t => {
  const memory = native.memfd(MEMFD, 4096, 0);
  const copy = native.dup(memory);
  t.not(copy, memory);
  native.close(memory);
  testNative.truncate(copy, 100);
  t.equal(native.info(copy).size, 100);
  native.close(copy);
});

t.test('every descriptor made here is close-on-exec, and no socket blocks', async t => {
  leavesNothing(t, () => {
    const path = join(directory, 'listener');
    const listener = native.listenUnix(path, 1);
    const client = native.connectUnix(path);
    const tmpfs = native.createTmpfs(native.pageSize);
    const memory = native.memfd(MEMFD, 0, 0);
    const streams = [listener, client, native.accept(listener), ...native.socketpair()];
    const files = [
      ...native.pipe(),
      tmpfs,
      memory,
      native.temporaryFile(tmpfs),
      native.dup(memory),
      native.openDevice('/dev/null'),
    ];
    const fds: number[] = [];
    native.send(streams[3]!, new Uint8Array(1), 0, 1, [memory]);
    native.recv(streams[4]!, new Uint8Array(1), fds);
    files.push(...fds);
    const flags = (fd: number) => {
      const [, octal = ''] = /^flags:\t(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))!;
      return parseInt(octal, 8);
    };
    for (const fd of [...streams, ...files]) t.ok(flags(fd) & 0o2000000, `${fd} is close-on-exec`);
    for (const fd of streams) t.ok(flags(fd) & 0o4000, `${fd} does not block`);
    closeFds(...streams, ...files);
  });
});

t.test('setNonblocking makes a read return at once', async t => {
  const fifo = openSync('/dev/ptmx', 'r+');
  native.setNonblocking(fifo);
  t.equal(native.read(fifo, new Uint8Array(1)), -1);
  closeSync(fifo);
});

t.test('info tells what a descriptor is', async t => {
  const path = join(directory, 'file');
  writeFileSync(path, 'twelve bytes');
  const cases: [string, number, object][] = [];
  for (const [flags, access] of [
    ['r', 'r'],
    ['a', 'w'],
    ['r+', 'rw'],
  ] as const) {
    cases.push([
      `a file opened ${flags}`,
      openSync(path, flags),
      { type: 'regular', access, size: 12, seekable: true },
    ]);
  }
  const [reader, writer] = native.pipe();
  const [socket, peer] = native.socketpair();
  cases.push(
    ['the end of a pipe that is read', reader, { type: 'pipe', access: 'r', size: 0, seekable: false }],
    ['the end that is written', writer, { type: 'pipe', access: 'w', size: 0, seekable: false }],
    ['a socket', socket, { type: 'socket', access: 'rw', size: 0, seekable: false }],
    ['its peer', peer, { type: 'socket', access: 'rw', size: 0, seekable: false }],
    ['a memfd', native.memfd(MEMFD, 8192, 0), { type: 'regular', access: 'rw', size: 8192, seekable: true }],
    ['/dev/null', openSync('/dev/null', 'w'), { type: 'character', access: 'w', size: 0 }],
    ['a directory', openSync(directory, 'r'), { type: 'other', access: 'r' }],
  );
  for (const [name, fd, expected] of cases) {
    t.match(native.info(fd), expected, name);
    native.close(fd);
  }
});

t.test('a file is known by its device and inode, through any of its descriptors', async t => {
  const [one, other] = [native.memfd(MEMFD, 4096, 0), native.memfd(MEMFD, 4096, 0)];
  const copy = native.dup(one);
  const file = (fd: number): string => `${native.info(fd).device}:${native.info(fd).inode}`;
  t.equal(file(copy), file(one));
  t.not(file(other), file(one));
  closeFds(one, other, copy);
});

t.test('a read needs room: 0 would mean the end', async t => {
  const [reader, writer] = native.pipe();
  t.throws(() => native.read(reader, new Uint8Array(0)), RangeError);
  closeFds(reader, writer);
});
