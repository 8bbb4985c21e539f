/** The server that the conformance program asks for. */
import { join } from 'node:path';
import type { Test } from 'tap';
import { UnixListener, type UnixSocket } from '../../src/unix-socket.js';

/** Serves `echo` in a folder, until the end of the test. */
export function echoServer(t: Test, folder: string): void {
  const listener = UnixListener.listen(join(folder, 'echo'));
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
