/**
 * The sockets between us and an X server that we start: one by which it is our Wayland client, one by which we are its window
 * manager. Of each there is our end and the server's.
 */
import { closeAll, OwnedFd } from '../system/fd.js';
import { native } from '../system/native.js';

/**
 * What may be on its way from Xwayland to us on its Wayland connection, in bytes of the kernel's memory, of which it makes
 * twice as many. An Xwayland 22 ends itself where it would have to wait, and waits for us only between some milliseconds of
 * work: this is room for what it says in such a time. A window that is shown takes some 700: the 208 KiB that a socket
 * has by itself were 300 menus at once. Where we may not have as much, it is twice what net.core.wmem_max says: 416 KiB on Debian.
 */
export const WAYLAND_BUFFER_BYTES = 1 << 20;

/** The caller's, all four. */
export interface ServerSockets {
  readonly wayland: OwnedFd;
  readonly itsWayland: OwnedFd;
  readonly wm: OwnedFd;
  readonly itsWm: OwnedFd;
}

/** @throws Error where no descriptor is left */
export function serverSockets(): ServerSockets {
  const ends: OwnedFd[] = [];
  try {
    for (let i = 0; i < 2; i++) ends.push(...native.socketpair().map(fd => new OwnedFd(fd)));
    const [wayland, itsWayland, wm, itsWm] = ends as [OwnedFd, OwnedFd, OwnedFd, OwnedFd];
    native.setSendBuffer(itsWayland.fd, WAYLAND_BUFFER_BYTES);
    return { wayland, itsWayland, wm, itsWm };
  } catch (error) {
    closeAll(ends);
    throw error;
  }
}
