/**
 * Carries bytes and descriptors between two connected sockets until one ends: the broker's mode for front-ends that
 * cannot receive a socket. Reading stops where the other side does not take what was read.
 */
import { MAX_FDS } from '../virtwl/limits.js';
import { closeAll } from '../system/fd.js';
import type { Channel } from '../system/channel.js';

/** Takes ownership of both, which are started here. `done` is called once, when both are closed or draining. */
export function relaySockets(a: Channel, b: Channel, done: (error?: Error) => void): void {
  let over = false;
  const finish = (error?: Error): void => {
    if (over) return;
    over = true;
    done(error);
  };
  connect(a, b, finish);
  connect(b, a, finish);
  a.start();
  b.start();
}

function connect(from: Channel, to: Channel, finish: (error?: Error) => void): void {
  from.on('data', (bytes, fds) => {
    if (fds.length > MAX_FDS) {
      closeAll(fds);
      from.close();
      to.close();
      finish(new Error(`a peer sent ${fds.length} fds in one message: virtio_wl carries at most ${MAX_FDS}`));
      return;
    }
    if (!to.send(bytes, fds)) from.pause();
  });
  to.on('drain', () => from.resume());
  from.on('end', () => {
    from.close();
    to.closeWhenDrained();
    finish();
  });
  from.on('error', error => {
    to.close();
    finish(error);
  });
}
