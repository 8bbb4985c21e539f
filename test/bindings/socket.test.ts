import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { native } from '../../src/system/native.js';
import { closeFds, leavesNothing, MEMFD, thrownBy } from './held.js';
import { testNative } from '../test-native.js';

const directory = mkdtempSync(join(tmpdir(), 'virtwl-socket-'));
t.teardown(() => rmSync(directory, { recursive: true }));

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
const bytes = (string: string) => new Uint8Array(Buffer.from(string));

t.test('bytes go through a socketpair, as much of the array as was named', async t => {
  leavesNothing(t, () => {
    const [a, b] = native.socketpair();
    const buffer = new Uint8Array(64);
    t.equal(native.send(a, bytes('--hello--'), 2, 5, []), 5);
    t.equal(native.recv(b, buffer, []), 5);
    t.equal(text(buffer.subarray(0, 5)), 'hello');
    t.equal(native.recv(b, buffer, []), -1, 'an empty socket would block');
    t.equal(native.send(a, bytes(''), 0, 0, []), 0, 'nothing may be sent');
    const large = new Uint8Array(100_000).map((_, i) => i);
    const view = large.subarray(300, 1300);
    t.equal(native.send(a, view, 100, 900, []), 900, 'offset counts from the start of the view');
    const received = new Uint8Array(2000);
    t.equal(native.recv(b, received, []), 900);
    t.same(received.subarray(0, 900), large.subarray(400, 1300));
    closeFds(a, b);
  });
});

t.test('what is sent lies within its array', async t => {
  const [a, b] = native.socketpair();
  const ten = new Uint8Array(10);
  for (const [offset, length] of [
    [0, 10],
    [10, 0],
    [9, 1],
  ] as const) {
    t.equal(native.send(a, ten, offset, length, []), length);
    t.equal(native.write(a, ten, offset, length), length);
  }
  for (const [offset, length] of [
    [0, 11],
    [1, 10],
    [10, 1],
    [11, 0],
    [9, 2],
    [2 ** 53 - 1, 2 ** 53 - 1],
    [2 ** 53, 0],
    [-1, 1],
    [0, -1],
    [0.5, 1],
    [0, NaN],
    [0, Infinity],
  ] as const) {
    for (const call of [
      () => native.send(a, ten, offset, length, []),
      () => native.write(a, ten, offset, length),
      () => native.virtwlSend(a, ten, offset, length, []),
    ]) {
      t.throws(call, RangeError, `${offset}, ${length}`);
    }
  }
  t.throws(() => native.send(a, [1] as unknown as Uint8Array, 0, 1, []), TypeError);
  t.throws(() => native.send(a, ten, '0' as unknown as number, 1, []), TypeError);
  t.throws(() => native.send('1' as unknown as number, ten, 0, 1, []), TypeError);
  t.throws(() => native.send(a, ten, 0, 1, { length: 0 } as unknown as number[]), TypeError);
  closeFds(a, b);
});

t.test('the end of the stream is 0, also after shutdownWrite', async t => {
  const [a, b] = native.socketpair();
  native.send(a, bytes('x'), 0, 1, []);
  testNative.shutdownWrite(a);
  const buffer = new Uint8Array(8);
  t.equal(native.recv(b, buffer, []), 1);
  t.equal(native.recv(b, buffer, []), 0);
  t.equal(native.send(b, bytes('yz'), 0, 2, []), 2, 'the other direction still works');
  t.equal(native.recv(a, buffer, []), 2);
  native.close(a);
  t.match(
    thrownBy(t, () => native.send(b, bytes('x'), 0, 1, [])),
    { code: 'EPIPE', errno: 32, syscall: 'sendmsg' },
  );
  native.close(b);
});

t.test('a full socket would block, and takes more once it was read', async t => {
  const [a, b] = native.socketpair();
  const chunk = new Uint8Array(65536);
  let sent = 0;
  for (;;) {
    const count = native.send(a, chunk, 0, chunk.length, []);
    if (count < 0) break;
    sent += count;
  }
  t.ok(sent >= chunk.length);
  let received = 0;
  for (;;) {
    const count = native.recv(b, chunk, []);
    if (count < 0) break;
    received += count;
  }
  t.equal(received, sent);
  t.ok(native.send(a, chunk, 0, 1, []) === 1);
  closeFds(a, b);
});

t.test('what the peer has not read is told, and nothing once it has read all', async t => {
  const [a, b] = native.socketpair();
  t.equal(native.unread(a), 0);
  native.send(a, Uint8Array.of(1, 2), 0, 2, [a]);
  t.ok(native.unread(a) > 0);
  t.equal(native.unread(b), 0, 'its own is not meant');
  const fds: number[] = [];
  native.recv(b, new Uint8Array(1), fds);
  t.ok(native.unread(a) > 0, 'a part is not all');
  native.recv(b, new Uint8Array(1), fds);
  t.equal(native.unread(a), 0);
  const [reader, writer] = native.pipe();
  t.throws(() => native.unread(reader), { code: 'ENOTSOCK' });
  closeFds(a, b, reader, writer, ...fds);
});

t.test('more may be on its way from a socket than the kernel has it by itself', async t => {
  /** Bytes that are taken, one at a time, until the peer would have to read. */
  const takes = (given?: number): number => {
    const [a, b] = native.socketpair();
    if (given !== undefined) t.equal(native.setSendBuffer(a, given), 2 * given, 'the kernel doubles it');
    const byte = new Uint8Array(1);
    let sent = 0;
    while (native.send(a, byte, 0, 1, []) > 0) sent += 1;
    closeFds(a, b);
    return sent;
  };
  // What anybody may have on any machine.
  const usual = 100_000;
  const few = takes(usual / 10);
  t.ok(takes(usual) > 5 * few);
  t.ok(takes() > few);
  const [reader, writer] = native.pipe();
  t.throws(() => native.setSendBuffer(reader, usual), { code: 'ENOTSOCK' });
  closeFds(reader, writer);
});

t.test('descriptors go with the bytes, and are new, close-on-exec and of the same file', async t => {
  leavesNothing(t, () => {
    const [a, b] = native.socketpair();
    const memory = native.memfd(MEMFD, 4096, 0);
    t.equal(native.send(a, bytes('fd'), 0, 2, [memory, a, memory]), 2);
    t.equal(native.info(memory).size, 4096, 'the sender keeps its own');
    const fds: number[] = [123456];
    t.equal(native.recv(b, new Uint8Array(8), fds), 2);
    t.equal(fds.length, 4, 'they are appended');
    t.equal(fds[0], 123456);
    t.equal(new Set([...fds, a, b, memory]).size, 7, 'they are new numbers');
    testNative.truncate(memory, 8192);
    t.equal(native.info(fds[1]!).size, 8192);
    t.equal(native.info(fds[2]!).type, 'socket');
    const { stdout } = spawnSync('ls', ['/proc/self/fd'], { encoding: 'utf8' });
    const inherited = stdout.trim().split('\n').map(Number);
    t.notOk(
      fds
        .slice(1)
        .concat(a, b, memory)
        .some(fd => fd > 3 && inherited.includes(fd)),
      'a child gets none',
    );
    closeFds(a, b, memory, ...fds.slice(1));
  });
});

t.test('253 descriptors fit one message, 254 do not', async t => {
  leavesNothing(t, () => {
    const [a, b] = native.socketpair();
    const memory = native.memfd(MEMFD, 4096, 0);
    t.equal(native.send(a, bytes('x'), 0, 1, Array<number>(253).fill(memory)), 1);
    const fds: number[] = [];
    t.equal(native.recv(b, new Uint8Array(1), fds), 1);
    t.equal(fds.length, 253);
    t.throws(() => native.send(a, bytes('x'), 0, 1, Array<number>(254).fill(memory)), RangeError);
    closeFds(a, b, memory, ...fds);
  });
});

t.test('descriptors need a byte to travel with', async t => {
  const [a, b] = native.socketpair();
  t.throws(() => native.send(a, bytes('x'), 0, 0, [a]), RangeError);
  t.equal(native.recv(b, new Uint8Array(1), []), -1, 'nothing was sent');
  closeFds(a, b);
});

t.test('a process without room for more descriptors gets EMSGSIZE and keeps none of them', async t => {
  // In a child, since the limit cannot be raised again.
  const script = `
    const { native } = await import(process.env.NATIVE_MODULE);
    const { readdirSync } = await import('node:fs');
    const [a, b] = native.socketpair();
    const held = [];
    native.send(a, new Uint8Array(1), 0, 1, Array(100).fill(a));
    try { for (;;) held.push(native.dup(a)); } catch (error) { if (error.code !== 'EMFILE') throw error; }
    for (let i = 0; i < 10; i++) native.close(held.pop());
    const before = readdirSync('/proc/self/fd').length;
    const fds = [];
    let code;
    try { native.recv(b, new Uint8Array(1), fds); } catch (error) { code = error.code; }
    console.log(JSON.stringify({ code, given: fds.length, leaked: readdirSync('/proc/self/fd').length - before }));
  `;
  const command = 'ulimit -n 256; exec "$0" --input-type=module -e "$1"';
  const { stdout, stderr } = spawnSync('sh', ['-c', command, process.execPath, script], {
    encoding: 'utf8',
    env: { ...process.env, NATIVE_MODULE: new URL('../../src/system/native.js', import.meta.url).href },
  });
  t.equal(stderr, '');
  t.same(JSON.parse(stdout), { code: 'EMSGSIZE', given: 0, leaked: 0 });
});

t.test('descriptors that cannot be handed over are closed', async t => {
  leavesNothing(t, () => {
    const [a, b] = native.socketpair();
    native.send(a, bytes('x'), 0, 1, [a, b, a]);
    t.throws(() => native.recv(b, new Uint8Array(1), Object.freeze([]) as unknown as number[]), TypeError);
    native.send(a, bytes('x'), 0, 1, [a, b, a]);
    const fds: number[] = [];
    Object.defineProperty(Array.prototype, 0, { set: () => t.fail('a setter ran'), configurable: true });
    try {
      native.recv(b, new Uint8Array(1), fds);
    } finally {
      Reflect.deleteProperty(Array.prototype, 0);
    }
    t.equal(fds.length, 3, 'no foreign code runs between them');
    closeFds(...fds);
    closeFds(a, b);
  });
});

t.test('listen, connect, accept; both ends know each other', async t => {
  leavesNothing(t, () => {
    const path = join(directory, 'listener');
    const listener = native.listenUnix(path, 4);
    t.equal(native.accept(listener), -1, 'nobody waits');
    const client = native.connectUnix(path);
    const server = native.accept(listener);
    t.ok(server >= 0);
    const me = { pid: process.pid, uid: process.getuid!(), gid: process.getgid!() };
    t.same(native.peerCredentials(server), me);
    t.same(native.peerCredentials(client), me);
    native.send(client, bytes('hi'), 0, 2, []);
    const buffer = new Uint8Array(4);
    t.equal(native.recv(server, buffer, []), 2);
    t.equal(native.recv(server, buffer, []), -1, 'accepted sockets do not block');
    t.equal(native.recv(client, buffer, []), -1, 'nor do connected ones');
    closeFds(listener, client, server);
    t.match(
      thrownBy(t, () => native.connectUnix(path)),
      { code: 'ECONNREFUSED', syscall: 'connect', path },
    );
  });
});

t.test('a full backlog is an error at once, no wait', async t => {
  const path = join(directory, 'full');
  const listener = native.listenUnix(path, 0);
  const clients = [native.connectUnix(path)];
  t.match(
    thrownBy(t, () => clients.push(native.connectUnix(path))),
    { code: 'EAGAIN', path },
  );
  closeFds(listener, ...clients);
});

t.test('errors name call, path and errno, and leave no descriptor', async t => {
  leavesNothing(t, () => {
    const path = join(directory, 'nothing', 'there');
    const error = thrownBy(t, () => native.connectUnix(path));
    t.match(error, { code: 'ENOENT', errno: 2, syscall: 'connect', path });
    t.equal(error.message, `ENOENT: no such file or directory, connect '${path}'`);
    t.match(
      thrownBy(t, () => native.listenUnix(path, 1)),
      { code: 'ENOENT', syscall: 'bind', path },
    );
    const taken = join(directory, 'taken');
    const listener = native.listenUnix(taken, 1);
    t.match(
      thrownBy(t, () => native.listenUnix(taken, 1)),
      { code: 'EADDRINUSE', syscall: 'bind', path: taken },
    );
    t.ok(existsSync(taken), 'the other listener keeps its path');
    native.close(listener);
  });
});

t.test('a path of 107 bytes is the longest', async t => {
  const fill = (length: number) => join(directory, 'x'.repeat(length - directory.length - 1));
  const listener = native.listenUnix(fill(107), 1);
  const client = native.connectUnix(fill(107));
  closeFds(client, listener);
  t.match(
    thrownBy(t, () => native.listenUnix(fill(108), 1)),
    { code: 'ENAMETOOLONG' },
  );
  t.match(
    thrownBy(t, () => native.connectUnix(fill(108))),
    { code: 'ENAMETOOLONG' },
  );
  t.match(
    thrownBy(t, () => native.connectUnix('')),
    { code: 'ENOENT' },
  );
  t.throws(() => native.connectUnix('\0abstract'), TypeError, 'abstract addresses are not for us');
});

t.test('what has no peer has no credentials', async t => {
  const memory = native.memfd(MEMFD, 0, 0);
  t.match(
    thrownBy(t, () => native.peerCredentials(memory)),
    { code: 'ENOTSOCK', syscall: 'getsockopt' },
  );
  native.close(memory);
  t.match(
    thrownBy(t, () => native.peerCredentials(memory)),
    { code: 'EBADF' },
  );
});

t.test('arrays are taken as they are when the call comes, whatever runs in between', async t => {
  const [a, b] = native.socketpair();
  const memory = native.memfd(MEMFD, 8192, 0);
  const mapping = native.map(memory, 0, 8192, true);
  const data = new Uint8Array(mapping.buffer);
  const fds: number[] = [];
  Object.defineProperty(fds, 0, {
    get: () => {
      mapping.unmap();
      return a;
    },
  });
  t.throws(() => native.send(b, data, 0, 8192, fds), TypeError, 'a getter unmapped what was to be sent');
  t.equal(native.recv(a, new Uint8Array(1), []), -1);
  const throwing: number[] = [];
  Object.defineProperty(throwing, 0, {
    get: () => {
      throw new Error('from the getter');
    },
  });
  t.throws(() => native.send(b, bytes('x'), 0, 1, throwing), { message: 'from the getter' });
  closeFds(a, b, memory);
});

t.test('memory on both sides: shared, resized, tiny', async t => {
  const [a, b] = native.socketpair();
  const memory = native.memfd(MEMFD, 4096, 0);
  const mapping = native.map(memory, 0, 4096, true);
  const shared = new Uint8Array(new SharedArrayBuffer(16)).fill(7);
  t.equal(native.send(a, shared, 0, 16, []), 16);
  t.equal(native.recv(b, new Uint8Array(mapping.buffer, 100, 16), []), 16, 'straight into a mapping');
  t.same(new Uint8Array(mapping.buffer, 99, 18), [0, ...Array<number>(16).fill(7), 0]);
  t.equal(native.send(a, new Uint8Array(mapping.buffer), 99, 3, []), 3, 'straight out of a mapping');
  const tiny = new Uint8Array(3);
  t.equal(native.recv(b, tiny, []), 3);
  t.same(tiny, [0, 7, 7]);
  const readOnly = native.map(memory, 0, 4096, false);
  native.send(a, tiny, 0, 3, []);
  t.match(
    thrownBy(t, () => native.recv(b, new Uint8Array(readOnly.buffer), [])),
    { code: 'EFAULT' },
  );
  mapping.unmap();
  readOnly.unmap();
  closeFds(a, b, memory);
});

t.test('messages are counted', async t => {
  const [a, b] = native.socketpair();
  const before = native.counters();
  native.send(a, bytes('x'), 0, 1, [a]);
  const fds: number[] = [];
  native.recv(b, new Uint8Array(1), fds);
  native.recv(b, new Uint8Array(1), fds);
  closeFds(a, b, ...fds);
  const after = native.counters();
  t.equal(after.sendmsg - before.sendmsg, 1);
  t.equal(after.recvmsg - before.recvmsg, 2);
  t.equal(after.fdsOpened - before.fdsOpened, 1);
  t.equal(after.fdsClosed - before.fdsClosed, 3);
});
