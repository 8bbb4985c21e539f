/**
 * Servers for the tests of libvirtwl: those of a host process, and allocators each of which answers a request in a way of its
 * own.
 */
import { join } from 'node:path';
import type { Test } from 'tap';
import { REQUEST_BYTES } from '../../src/allocator/protocol.js';
import { VmHost } from '../../src/host/host.js';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { UnixListener } from '../../src/system/unix-listener.js';
import type { UnixSocket } from '../../src/system/unix-socket.js';
import { startPeerServers } from '../virtwl/peer-servers.js';

/** How long the slow one takes, in milliseconds: many times what is between two signals of the test program. */
const SLOW_MS = 100;

function memory(): OwnedFd {
  const fd = new OwnedFd(native.memfd('virtwl-c-test', 0, 0));
  native.reserve(fd.fd, native.pageSize);
  return fd;
}

const answers: Record<string, (socket: UnixSocket) => void> = {
  slow: socket => void setTimeout(() => socket.send(Buffer.of(0), [memory()]), SLOW_MS),
  'hangs-up': socket => socket.close(),
  odd: socket => void socket.send(Buffer.of(99)),
  generous: socket => void socket.send(Buffer.of(0), [memory(), memory()]),
  'of-two-minds': socket => void socket.send(Buffer.of(3), [memory()]),
  wrong: socket => {
    const [one, other] = native.socketpair();
    native.close(other);
    socket.send(Buffer.of(0), [new OwnedFd(one)]);
  },
};

/** Their names. */
export const ALLOCATORS: readonly string[] = Object.keys(answers);

/** Starts everything that the library's test program connects to, in this process and until the end of the test. */
export function startServers(t: Pick<Test, 'teardown'>, directory: string): void {
  const host = new VmHost({
    vm: 'c',
    loopback: directory,
    allocator: { bytes: 2 ** 20, requestLimit: 2 ** 19 },
    probe: true,
  });
  t.teardown(() => host.close());
  t.teardown(startPeerServers(directory));
  t.teardown(startAllocators(directory));
}

/** Starts all of them, each on a socket in `directory`. The result stops them. */
function startAllocators(directory: string): () => void {
  const sockets = new Set<UnixSocket>();
  const listeners = Object.entries(answers).map(([name, answer]) => {
    const listener = UnixListener.listen(join(directory, name));
    listener.on('connection', socket => {
      sockets.add(socket);
      let length = 0;
      socket.on('data', bytes => {
        length += bytes.length;
        if (length === REQUEST_BYTES) answer(socket);
      });
      socket.on('end', () => socket.close());
      socket.on('error', () => socket.close());
      socket.start();
    });
    return listener;
  });
  return () => {
    for (const listener of listeners) listener.close();
    for (const socket of sockets) socket.close();
  };
}
