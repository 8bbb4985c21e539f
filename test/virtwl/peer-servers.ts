/**
 * Host servers for the tests of the guest library, each with one habit. In loopback they run in the test's own process;
 * for a VM the same ones run on its host.
 */
import { join } from 'node:path';
import { closeAll, OwnedFd } from '../../src/system/fd.js';
import { native, POLL_READABLE } from '../../src/system/native.js';
import { UnixSocket } from '../../src/system/unix-socket.js';
import { UnixListener } from '../../src/system/unix-listener.js';

/** A name as long as virtio_wl carries it: 31 bytes. It echoes too. */
export const LONGEST_NAME = 'a-server-name-of-thirty-1-bytes';

/** What goes through a pipe that the `pipes` server writes into. */
export const PIPE_TEXT = 'written on the host, read in the guest';

const habits: Record<string, (socket: UnixSocket) => void> = {
  /** Sends back what comes, bytes and descriptors. */
  echo,
  [LONGEST_NAME]: echo,
  /** Never reads. */
  silent: () => {},
  /** Says something and hangs up. */
  goodbye: socket => {
    socket.send(Buffer.from('goodbye'));
    socket.closeWhenDrained();
  },
  /** Says something, and hangs up with bytes of the guest unread. */
  rude: socket => {
    socket.on('data', () => {
      socket.send(Buffer.from('no'));
      setTimeout(() => socket.close(), 50);
      socket.pause();
    });
    socket.start();
  },
  /** 'w': writes into the pipe that comes along; 'r': reads it to its end and tells what it read; 'c': closes it. */
  pipes: socket => {
    socket.on('data', (bytes, fds) => {
      const pipe = fds[0]!;
      if (bytes[0] === 0x77) {
        const text = Buffer.from(PIPE_TEXT);
        native.write(pipe.fd, text, 0, text.length);
        pipe.close();
      } else if (bytes[0] === 0x72) {
        readToEnd(pipe, text => socket.send(Buffer.from(text)));
      } else {
        closeAll(fds);
      }
    });
    socket.on('end', () => socket.close());
    socket.start();
  },
  /** A Wayland compositor of which only `wl_display.sync` is asked, a whole message at a time. */
  compositor: socket => {
    socket.on('data', bytes => {
      const asked = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      for (let at = 0; at + 12 <= bytes.length; at += 12) {
        const callback = asked.getUint32(at + 8, true);
        // wl_callback.done, wl_display.delete_id: object, opcode and size, argument.
        socket.send(new Uint8Array(Uint32Array.of(callback, 12 << 16, 0, 1, (12 << 16) | 1, callback).buffer));
      }
    });
    socket.on('end', () => socket.close());
    socket.start();
  },
  /** Sends a connected socket whose other end echoes. */
  sockets: socket => {
    const [ours, theirs] = native.socketpair();
    echo(new UnixSocket(new OwnedFd(ours)));
    socket.send(Buffer.from('s'), [new OwnedFd(theirs)]);
    socket.on('end', () => socket.close());
    socket.start();
  },
};

/** Their names. */
export const PEER_SERVERS: readonly string[] = Object.keys(habits);

function echo(socket: UnixSocket): void {
  socket.on('data', (bytes, fds) => {
    if (!socket.send(bytes, fds)) socket.pause();
  });
  socket.on('drain', () => socket.resume());
  socket.on('end', () => socket.close());
  socket.start();
}

/** Takes ownership of `pipe`. */
function readToEnd(pipe: OwnedFd, done: (text: string) => void): void {
  native.setNonblocking(pipe.fd);
  const chunk = new Uint8Array(4096);
  let text = '';
  const poll = new native.Poll(pipe.fd, () => {
    const length = native.read(pipe.fd, chunk);
    if (length > 0) text += Buffer.from(chunk.subarray(0, length)).toString();
    if (length !== 0) return;
    poll.close();
    pipe.close();
    done(text);
  });
  poll.start(POLL_READABLE);
}

/** Starts all of them, each on a socket in `directory`. The result stops them. */
export function startPeerServers(directory: string): () => void {
  const sockets = new Set<UnixSocket>();
  const listeners = Object.entries(habits).map(([name, habit]) => {
    const listener = UnixListener.listen(join(directory, name));
    listener.on('connection', socket => {
      sockets.add(socket);
      habit(socket);
    });
    return listener;
  });
  return () => {
    for (const listener of listeners) listener.close();
    for (const socket of sockets) socket.close();
  };
}
