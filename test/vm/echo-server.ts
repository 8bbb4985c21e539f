/** The server that the conformance program asks for. */
import { join } from 'node:path';
import type { Test } from 'tap';
import { type UnixSocket } from '../../src/system/unix-socket.js';
import { UnixListener } from '../../src/system/unix-listener.js';

/** Serves `echo` in a directory, until the end of the test. */
export function echoServer(t: Test, directory: string): void {
  const listener = UnixListener.listen(join(directory, 'echo'));
  listener.on('connection', echo);
  t.teardown(() => listener.close());
}

/** Everything comes back, and "bye!" ends it. */
function echo(socket: UnixSocket): void {
  socket.on('data', (bytes, fds) => {
    if (Buffer.from(bytes).equals(Buffer.from('bye!'))) socket.close();
    else if (!socket.send(bytes, fds)) socket.pause();
  });
  socket.on('drain', () => socket.resume());
  socket.on('end', () => socket.closeWhenDrained());
  socket.on('error', () => socket.close());
  socket.start();
}
