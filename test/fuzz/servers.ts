/** Servers on the host that a fuzzed guest connects to: a socket a connection, which says, reads and ends as the input decides. */
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import type { Draw } from './draw.js';
import { drawFd } from './draw-fd.js';

const buffer = new Uint8Array(8192);

export class FuzzServers {
  readonly #ends: OwnedFd[] = [];

  /** As the process of a wl device does it: only `plain` is there. */
  connect(name: string): OwnedFd {
    if (name !== 'plain')
      throw Object.assign(new Error('no such server'), { code: name === 'gone' ? 'ECONNREFUSED' : 'ENOENT' });
    const [ours, theirs] = native.socketpair();
    this.#ends.push(new OwnedFd(theirs));
    return new OwnedFd(ours);
  }

  /** One of them sends something, with descriptors or without, or reads, or ends. */
  act(draw: Draw): void {
    const end = this.#ends[draw.below(this.#ends.length)];
    if (end === undefined || end.closed) return;
    if (draw.oneIn(5)) {
      end.close();
      return;
    }
    if (draw.oneIn(3)) {
      read(end);
      return;
    }
    const fds = Array.from({ length: draw.below(4) }, () => drawFd(draw));
    try {
      native.send(
        end.fd,
        buffer,
        0,
        1 + draw.below(8000),
        fds.map(({ fd }) => fd),
      );
    } catch {
      // It is full, or nobody is there any more.
    }
    for (const fd of fds) fd.close();
  }

  /** All read what there is, so the peers that wait for them go on. */
  readAll(): void {
    for (const end of this.#ends) while (!end.closed && read(end) > 0);
  }

  close(): void {
    for (const end of this.#ends) end.close();
  }
}

/** Bytes that were there; what came with them is closed. */
function read(end: OwnedFd): number {
  const fds: number[] = [];
  try {
    return native.recv(end.fd, buffer, fds);
  } catch {
    return 0; // it was left with something unread
  } finally {
    for (const fd of fds) native.close(fd);
  }
}
