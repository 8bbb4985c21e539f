import { execFileSync } from 'node:child_process';
import { mkdtempSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { closeAll, OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import {
  HIGH_WATER_BYTES,
  MAX_QUEUED_BYTES,
  MAX_QUEUED_FDS,
  MAX_SOCKET_FDS,
  UnixSocket,
  type UnixSocketOptions,
} from '../../src/system/unix-socket.js';
import { UnixListener } from '../../src/system/unix-listener.js';
import { openDescriptors } from '../descriptors.js';
import { memory, next, sendRaw, streamContract } from './stream-contract.js';
import { testNative } from '../test-native.js';

/** A socket and the raw fd of its peer, which does only what a test makes it do. */
function connect(options?: UnixSocketOptions): { channel: UnixSocket; peer: OwnedFd } {
  const [a, b] = native.socketpair();
  return { channel: new UnixSocket(new OwnedFd(a), options), peer: new OwnedFd(b) };
}

/** The same, closed with the test. */
function withPeer(t: Test, options?: UnixSocketOptions): { socket: UnixSocket; peer: OwnedFd } {
  const { channel, peer } = connect(options);
  t.teardown(() => {
    channel.close();
    peer.close();
  });
  return { socket: channel, peer };
}

function directory(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'virtwl-socket-'));
  t.teardown(() => rmSync(path, { recursive: true }));
  return path;
}

t.test('a Unix socket is a channel', async t => {
  streamContract(t, {
    connect,
    highWaterBytes: HIGH_WATER_BYTES,
    maxQueuedBytes: MAX_QUEUED_BYTES,
    maxQueuedFds: MAX_QUEUED_FDS,
    afterEnd: 'delivered',
  });
});

t.test('it carries as many descriptors as libwayland sends, of any kind', async t => {
  t.equal(MAX_SOCKET_FDS, 28);
  const [a, b] = UnixSocket.pair();
  const arrived = next(b, 'data');
  b.start();
  const [read, write] = native.pipe();
  a.send(Buffer.from('x'), [new OwnedFd(read), new OwnedFd(write), new OwnedFd(testNative.eventfd())]);
  const { fds } = await arrived;
  t.same(
    fds.map(fd => fd.info().type),
    ['pipe', 'pipe', 'other'],
  );
  closeAll(fds);
  a.close();
  b.close();
});

t.test('each socket may have bounds of its own', async t => {
  const marked = withPeer(t, { highWaterBytes: 0 });
  while (marked.socket.queuedBytes === 0) marked.socket.send(new Uint8Array(1000));
  t.equal(marked.socket.send(Buffer.from('x')), false, 'it asks to wait when a byte waits');

  const byBytes = withPeer(t, { maxQueuedBytes: 300_000 });
  byBytes.socket.on('error', () => {});
  while (byBytes.socket.queuedBytes === 0) byBytes.socket.send(new Uint8Array(1000));
  byBytes.socket.send(new Uint8Array(300_000 - byBytes.socket.queuedBytes));
  t.equal(byBytes.socket.closed, false);
  byBytes.socket.send(Buffer.from('x'));
  t.equal(byBytes.socket.closed, true);

  const byFds = withPeer(t, { maxQueuedFds: 10 });
  const broken = next(byFds.socket, 'error');
  byFds.socket.send(Buffer.alloc(1_000_000));
  for (let count = 0; count < 10; count++) byFds.socket.send(Buffer.from('x'), [memory()]);
  t.equal(byFds.socket.closed, false);
  byFds.socket.send(Buffer.from('x'), [memory()]);
  t.match(await broken, { code: 'ENOBUFS', message: /11 descriptors wait/ });
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
    writeFileSync(path, 'another file');
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
      for (;;) held.push(memory());
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
    const file = memory();
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
