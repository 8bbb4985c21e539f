import { execFileSync } from 'node:child_process';
import { mkdtempSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { closeAll, OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { MAX_SOCKET_FDS, UnixSocket, type UnixSocketOptions } from '../../src/system/unix-socket.js';
import { UnixListener } from '../../src/system/unix-listener.js';
import { openDescriptors } from '../descriptors.js';

/** A socket and the raw fd of its peer, which does only what a test makes it do. Both are closed with the test. */
function withPeer(t: Test, options?: UnixSocketOptions): { socket: UnixSocket; peer: OwnedFd } {
  const [a, b] = native.socketpair();
  const socket = new UnixSocket(new OwnedFd(a), options);
  const peer = new OwnedFd(b);
  t.teardown(() => {
    socket.close();
    peer.close();
  });
  return { socket, peer };
}

function memfd(): OwnedFd {
  return new OwnedFd(native.memfd('virtwl-test', 4096, 0));
}

/** Everything that waits at a raw peer. */
function readAll(peer: OwnedFd): { bytes: Buffer; fds: OwnedFd[]; ended: boolean } {
  const parts: Buffer[] = [];
  const fds: number[] = [];
  for (;;) {
    const buffer = new Uint8Array(65536);
    const length = native.recv(peer.fd, buffer, fds);
    if (length <= 0) {
      return { bytes: Buffer.concat(parts), fds: fds.map(fd => new OwnedFd(fd)), ended: length === 0 };
    }
    parts.push(Buffer.from(buffer.subarray(0, length)));
  }
}

function sendRaw(peer: OwnedFd, text: string, fds: OwnedFd[] = []): void {
  const bytes = Buffer.from(text);
  native.send(
    peer.fd,
    bytes,
    0,
    bytes.length,
    fds.map(fd => fd.fd),
  );
}

/** The next time the socket tells this event. */
function next(socket: UnixSocket, event: 'end' | 'drain'): Promise<void>;
function next(socket: UnixSocket, event: 'error'): Promise<Error & { code?: string }>;
function next(socket: UnixSocket, event: 'data'): Promise<{ text: string; fds: OwnedFd[] }>;
function next(socket: UnixSocket, event: 'data' | 'end' | 'error' | 'drain'): Promise<unknown> {
  return new Promise(resolve => {
    if (event === 'data') socket.once('data', (bytes, fds) => resolve({ text: Buffer.from(bytes).toString(), fds }));
    else socket.once(event, (error?: unknown) => resolve(error));
  });
}

function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve));
}

function directory(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'virtwl-socket-'));
  t.teardown(() => rmSync(path, { recursive: true }));
  return path;
}

t.test('bytes and descriptors arrive together', async t => {
  const before = openDescriptors();
  const [a, b] = UnixSocket.pair();
  const file = memfd();
  const arrived = next(b, 'data');
  b.start();
  t.equal(a.send(Buffer.from('hello'), [file]), true);
  t.equal(file.closed, true, 'sent away, so closed here');
  const { text, fds } = await arrived;
  t.equal(text, 'hello');
  t.equal(fds.length, 1);
  t.match(fds[0]!.info(), { type: 'regular', size: 4096 });
  closeAll(fds);
  a.close();
  b.close();
  t.equal(openDescriptors(), before);
});

t.test('nothing is read before start, nor while paused', async t => {
  const { socket, peer } = withPeer(t);
  const seen: string[] = [];
  socket.on('data', bytes => seen.push(Buffer.from(bytes).toString()));
  sendRaw(peer, 'a');
  await turn();
  await turn();
  t.same(seen, []);
  socket.start();
  await turn();
  await turn();
  t.same(seen, ['a']);
  socket.pause();
  sendRaw(peer, 'b');
  await turn();
  await turn();
  t.same(seen, ['a']);
  const arrived = next(socket, 'data');
  socket.resume();
  t.equal((await arrived).text, 'b');
});

t.test('a pause inside data holds back what comes next', async t => {
  const { socket, peer } = withPeer(t);
  let calls = 0;
  socket.on('data', () => {
    calls += 1;
    socket.pause();
  });
  socket.start();
  sendRaw(peer, 'x'.repeat(100_000));
  for (let i = 0; i < 5; i++) await turn();
  t.equal(calls, 1, 'more than one buffer waited, one was delivered');
});

t.test('descriptors of data that nobody listens to are closed', async t => {
  const { socket, peer } = withPeer(t);
  const file = memfd();
  const before = openDescriptors();
  socket.start();
  sendRaw(peer, 'x', [file]);
  sendRaw(peer, 'y', [file]);
  native.shutdownWrite(peer.fd);
  await next(socket, 'end');
  t.equal(openDescriptors(), before);
  file.close();
});

t.test('what one send may carry', async t => {
  const { socket, peer } = withPeer(t);
  const full = Array.from({ length: MAX_SOCKET_FDS }, memfd);
  socket.send(Buffer.from('x'), full);
  const { fds } = readAll(peer);
  t.equal(fds.length, MAX_SOCKET_FDS);
  closeAll(fds);

  const tooMany = Array.from({ length: MAX_SOCKET_FDS + 1 }, memfd);
  t.throws(() => socket.send(Buffer.from('x'), tooMany), RangeError);
  t.ok(
    tooMany.every(fd => fd.closed),
    'taken also when refused',
  );
  const lone = memfd();
  t.throws(() => socket.send(new Uint8Array(0), [lone]), RangeError);
  t.equal(lone.closed, true);
  t.equal(socket.closed, false, "the caller's mistake does not break the channel");
});

t.test('a peer that reads late', async t => {
  t.test('gets everything in order, and drain tells when', async t => {
    const { socket, peer } = withPeer(t, { highWaterBytes: 100_000 });
    const sent: Buffer[] = [];
    let going = true;
    for (let i = 0; going; i++) {
      const piece = Buffer.alloc(1000 + (i % 50) * 40, i % 251);
      going = socket.send(piece);
      sent.push(piece);
    }
    t.ok(socket.queuedBytes > 100_000);
    const drained = next(socket, 'drain').then(() => true);
    const got: Buffer[] = [];
    while (socket.queuedBytes > 0) {
      got.push(readAll(peer).bytes);
      await turn();
    }
    t.equal(await drained, true);
    got.push(readAll(peer).bytes);
    t.ok(Buffer.concat(got).equals(Buffer.concat(sent)), 'the same bytes');
    t.equal(socket.send(Buffer.from('x')), true, 'and there is room again');
  });

  t.test('gets the descriptors of a partly sent piece once, and of queued ones in their place', async t => {
    const before = openDescriptors();
    const { socket, peer } = withPeer(t);
    // More than a socket buffer holds, so the first send goes out in part and takes its descriptors with it.
    const first = memfd();
    socket.send(Buffer.alloc(2_000_000, 1), [first]);
    t.equal(first.closed, true, 'went with the first byte');
    t.ok(socket.queuedBytes > 0);
    const second = memfd();
    socket.send(Buffer.alloc(1_000_000, 2), [second]);
    t.equal(second.closed, false, 'waits');
    socket.send(Buffer.alloc(10, 3));
    let bytes = Buffer.alloc(0);
    const fds: OwnedFd[] = [];
    const positions: number[] = [];
    while (bytes.length < 3_000_010) {
      const got = readAll(peer);
      if (got.fds.length > 0) positions.push(bytes.length);
      bytes = Buffer.concat([bytes, got.bytes]);
      fds.push(...got.fds);
      await turn();
    }
    t.equal(fds.length, 2);
    t.equal(second.closed, true);
    t.same([bytes[0], bytes[2_000_000], bytes[3_000_000]], [1, 2, 3]);
    closeAll(fds);
    socket.close();
    peer.close();
    t.equal(openDescriptors(), before);
  });

  t.test('a peer that is gone leaves nobody waiting for drain, also who does not read', async t => {
    const [socket, peer] = UnixSocket.pair({ highWaterBytes: 0 });
    t.teardown(() => socket.close());
    while (socket.send(new Uint8Array(65536)));
    const drained = next(socket, 'drain');
    peer.close();
    await drained;
    t.equal(socket.queuedBytes, 0);
    t.equal(socket.send(new Uint8Array(10)), true, 'what comes now is dropped');
  });

  t.test('a pause in drain holds for what came in the same wake-up', async t => {
    const { socket, peer } = withPeer(t, { highWaterBytes: 1 });
    let calls = 0;
    socket.on('data', () => (calls += 1));
    socket.on('drain', () => socket.pause());
    socket.start();
    const drained = next(socket, 'drain');
    while (socket.send(Buffer.alloc(1000)));
    sendRaw(peer, 'x');
    readAll(peer); // now there is room, and something to read
    await drained;
    await turn();
    t.equal(calls, 0);
  });

  t.test('a paused socket still sends what is queued', async t => {
    const { socket, peer } = withPeer(t, { highWaterBytes: 1 });
    socket.start();
    socket.pause();
    const drained = next(socket, 'drain');
    t.equal(socket.send(Buffer.alloc(1_000_000)), false);
    while (socket.queuedBytes > 0) {
      readAll(peer);
      await turn();
    }
    await drained;
  });
});

t.test('a peer that never reads breaks the channel', async t => {
  t.test('when too many bytes wait', async t => {
    const before = openDescriptors();
    const { socket, peer } = withPeer(t, { maxQueuedBytes: 300_000 });
    const broken = next(socket, 'error');
    while (!socket.closed) {
      socket.send(Buffer.alloc(100_000));
      t.ok(socket.queuedBytes <= 400_000);
    }
    const error = await broken;
    t.equal(error.code, 'ENOBUFS');
    t.match(error.message, /does not read/);
    t.equal(socket.queuedBytes, 0);
    peer.close();
    t.equal(openDescriptors(), before);
  });

  t.test('when too many descriptors wait, and they are closed', async t => {
    const before = openDescriptors();
    const { socket, peer } = withPeer(t, { maxQueuedFds: 10 });
    const broken = next(socket, 'error');
    socket.send(Buffer.alloc(1_000_000));
    const files = Array.from({ length: 11 }, memfd);
    for (const file of files) socket.send(Buffer.from('x'), [file]);
    t.equal((await broken).code, 'ENOBUFS');
    t.ok(files.every(file => file.closed));
    peer.close();
    t.equal(openDescriptors(), before);
  });

  t.test('but not at the limit itself', async t => {
    const { socket } = withPeer(t, { maxQueuedBytes: 300_000 });
    socket.send(Buffer.alloc(100_000));
    while (socket.queuedBytes < 300_000) socket.send(Buffer.alloc(1));
    t.equal(socket.closed, false);
  });

  t.test('and the caller who closes first hears nothing of it', async t => {
    const { socket } = withPeer(t, { maxQueuedBytes: 1 });
    socket.on('error', () => t.fail('told after close'));
    socket.send(Buffer.alloc(1_000_000));
    t.equal(socket.closed, true);
    socket.close();
    await turn();
  });
});

t.test('a peer that is gone', async t => {
  t.test('is an end, after what it had said', async t => {
    const { socket, peer } = withPeer(t);
    const seen: string[] = [];
    socket.on('data', bytes => seen.push(Buffer.from(bytes).toString()));
    socket.on('error', error => t.fail(error.message));
    sendRaw(peer, 'last words');
    peer.close();
    socket.start();
    await next(socket, 'end');
    t.same(seen, ['last words']);
    t.equal(socket.closed, false, 'closing is for the owner');
  });

  t.test('is an end also when it left our bytes unread', async t => {
    const { socket, peer } = withPeer(t);
    socket.on('error', error => t.fail(error.message));
    socket.send(Buffer.from('never read'));
    peer.close();
    socket.start();
    await next(socket, 'end');
  });

  t.test('is an end only after all it had sent, though it left our bytes unread', async t => {
    const { socket, peer } = withPeer(t);
    let received = 0;
    socket.on('data', bytes => (received += bytes.length));
    socket.send(Buffer.from('never read'));
    const sent = native.send(peer.fd, Buffer.alloc(150_000), 0, 150_000, []);
    t.ok(sent > 65536, 'more than one read takes');
    peer.close();
    socket.start();
    await next(socket, 'end');
    t.equal(received, sent);
  });

  t.test('is an end also for one who was writing, who still hears its last words', async t => {
    const { socket, peer } = withPeer(t);
    const seen: string[] = [];
    socket.on('data', bytes => seen.push(Buffer.from(bytes).toString()));
    socket.on('error', error => t.fail(error.message));
    sendRaw(peer, 'you made a mistake');
    peer.close();
    const file = memfd();
    t.equal(socket.send(Buffer.from('into nothing'), [file]), true);
    t.equal(file.closed, true);
    t.equal(socket.send(Buffer.from('and again')), true);
    socket.start();
    await next(socket, 'end');
    t.same(seen, ['you made a mistake']);
  });

  t.test('frees those who wait for it to read', async t => {
    const before = openDescriptors();
    const { socket, peer } = withPeer(t, { highWaterBytes: 1 });
    socket.start();
    const ended = next(socket, 'end');
    const drained = next(socket, 'drain');
    t.equal(socket.send(Buffer.alloc(1_000_000)), false);
    const file = memfd();
    socket.send(Buffer.from('x'), [file]);
    peer.close();
    await Promise.all([ended, drained]);
    t.equal(file.closed, true);
    t.equal(socket.queuedBytes, 0);
    socket.close();
    t.equal(openDescriptors(), before);
  });

  t.test('can still be written to when it only stopped writing', async t => {
    const { socket, peer } = withPeer(t);
    native.shutdownWrite(peer.fd);
    socket.start();
    await next(socket, 'end');
    socket.send(Buffer.from('answer'));
    t.equal(readAll(peer).bytes.toString(), 'answer');
  });

  t.test('does not keep the loop busy', async t => {
    const { socket, peer } = withPeer(t);
    let ends = 0;
    socket.on('end', () => (ends += 1));
    socket.start();
    peer.close();
    await next(socket, 'end');
    const { recvmsg } = native.counters();
    for (let i = 0; i < 20; i++) await turn();
    t.equal(native.counters().recvmsg, recvmsg);
    t.equal(ends, 1);
  });
});

t.test('closing', async t => {
  t.test('is idempotent, and inside an event ends all events', async t => {
    const { socket, peer } = withPeer(t);
    socket.on('data', () => socket.close());
    socket.on('end', () => t.fail('an event after close'));
    socket.start();
    sendRaw(peer, 'x');
    await new Promise<void>(resolve => {
      socket.once('data', () => resolve());
    });
    socket.close();
    t.equal(socket.closed, true);
    await turn();
    t.equal(readAll(peer).ended, true, 'the peer sees it');
    socket.start();
    socket.resume();
    socket.pause();
    const file = memfd();
    t.equal(socket.send(Buffer.from('x'), [file]), true, 'dropped');
    t.equal(file.closed, true);
  });

  t.test('when drained waits for a peer that reads', async t => {
    const { socket, peer } = withPeer(t);
    socket.send(Buffer.alloc(1_000_000, 7));
    socket.closeWhenDrained(600_000);
    t.equal(socket.closed, false);
    let total = 0;
    while (!socket.closed) {
      total += readAll(peer).bytes.length;
      await turn();
    }
    t.equal(total + readAll(peer).bytes.length, 1_000_000);
  });

  t.test('when drained gives up on a peer that does not', async t => {
    const { socket, peer } = withPeer(t);
    socket.send(Buffer.alloc(1_000_000));
    socket.closeWhenDrained(1);
    while (!socket.closed) await new Promise(resolve => setTimeout(resolve, 1));
    t.equal(readAll(peer).ended, true);
  });

  t.test('when drained is at once with nothing to drain', async t => {
    const { socket } = withPeer(t);
    socket.closeWhenDrained();
    t.equal(socket.closed, true);
  });
});

t.test('a listener', async t => {
  t.test('hands over connections, and removes its path', async t => {
    const before = openDescriptors();
    const path = join(directory(t), 'socket');
    const listener = UnixListener.listen(path);
    const accepted = new Promise<UnixSocket>(resolve => listener.once('connection', resolve));
    const client = UnixSocket.connect(path);
    const server = await accepted;
    t.equal(server.peerCredentials().pid, process.pid);
    const heard = next(client, 'data');
    client.start();
    server.send(Buffer.from('welcome'));
    t.equal((await heard).text, 'welcome');
    listener.close();
    listener.close();
    t.equal(existsSync(path), false);
    client.close();
    server.close();
    t.equal(openDescriptors(), before);
  });

  t.test('closes a connection that nobody takes', async t => {
    const listener = UnixListener.listen(join(directory(t), 'socket'));
    t.teardown(() => listener.close());
    const client = UnixSocket.connect(listener.path);
    t.teardown(() => client.close());
    client.start();
    await next(client, 'end');
  });

  t.test('does not take a path that exists, nor remove one that is not its own', async t => {
    const path = join(directory(t), 'socket');
    const listener = UnixListener.listen(path);
    t.throws(() => UnixListener.listen(path), { code: 'EADDRINUSE', message: new RegExp(path) });
    rmSync(path);
    writeFileSync(path, 'somebody else');
    listener.close();
    t.equal(existsSync(path), true);
  });

  t.test('takes many at once', async t => {
    const listener = UnixListener.listen(join(directory(t), 'socket'));
    const accepted: UnixSocket[] = [];
    const all = new Promise<void>(resolve => {
      listener.on('connection', socket => {
        accepted.push(socket);
        if (accepted.length === 50) resolve();
      });
    });
    const clients = Array.from({ length: 50 }, () => UnixSocket.connect(listener.path));
    await all;
    for (const socket of [...clients, ...accepted]) socket.close();
    listener.close();
  });
});

t.test('connecting where nobody listens names the path', async t => {
  const path = join(directory(t), 'absent');
  t.throws(() => UnixSocket.connect(path), { code: 'ENOENT', message: new RegExp(path) });
  const listener = UnixListener.listen(path);
  const kept = join(directory(t), 'kept');
  listener.close();
  t.throws(() => UnixSocket.connect(kept), { code: 'ENOENT' });
});

t.test('with no descriptor left', async t => {
  // So that using them all up does not take a million of them.
  execFileSync('prlimit', ['--pid', String(process.pid), '--nofile=200:']);

  function useUp(): OwnedFd[] {
    const held: OwnedFd[] = [];
    try {
      for (;;) held.push(memfd());
    } catch (error) {
      t.equal((error as { code?: string }).code, 'EMFILE');
    }
    return held;
  }

  t.test('a listener says so, goes on, and takes the connection later', async t => {
    const listener = UnixListener.listen(join(directory(t), 'socket'));
    t.teardown(() => listener.close());
    const accepted = new Promise<UnixSocket>(resolve => listener.once('connection', resolve));
    const failed = new Promise<Error>(resolve => listener.once('error', resolve));
    const held = useUp();
    held.pop()!.close();
    const client = UnixSocket.connect(listener.path);
    const error = await failed;
    closeAll(held);
    t.match(error, { code: 'EMFILE' });
    (await accepted).close();
    client.close();
  });

  t.test('a socket that is sent one breaks, and keeps none', async t => {
    const { socket, peer } = withPeer(t);
    const file = memfd();
    const broken = next(socket, 'error');
    socket.start();
    const held = useUp();
    sendRaw(peer, 'x', [file]);
    const error = await broken;
    closeAll([...held, file]);
    t.match(error, { code: 'EMSGSIZE' });
    t.equal(socket.closed, true);
  });
});
