/**
 * Where the proxy's Wayland socket is: at a place that was asked for, given by a service manager, or in a directory of its
 * own. A name is one in XDG_RUNTIME_DIR, as programs look for WAYLAND_DISPLAY there.
 */
import { isAbsolute, join, resolve } from 'node:path';
import { clearStale, inUse } from '../system/private-listener.js';

/**
 * The path of a socket `where`: a name, or a path.
 * @throws Error for a name where there is no XDG_RUNTIME_DIR
 */
export function socketPath(where: string, runtimeDirectory = process.env.XDG_RUNTIME_DIR): string {
  if (where.includes('/')) return resolve(where);
  if (runtimeDirectory === undefined || !isAbsolute(runtimeDirectory)) {
    throw new Error(`--socket ${where}: a name is one in XDG_RUNTIME_DIR, which is not set; give a path, or set it`);
  }
  return join(runtimeDirectory, where);
}

/**
 * Makes room for a socket at `path`: what a process that is gone has left there is removed.
 * @throws Error with `code` EADDRINUSE where a process listens there, or it is no socket
 */
export function makeRoom(path: string): void {
  const inTheWay = clearStale(path);
  if (inTheWay === 'a file') {
    throw inUse(`${path}: there is a file that is no socket; give another --socket, or remove it`);
  }
  if (inTheWay === 'a process') {
    throw inUse(
      `${path}: a process serves this socket already, maybe another virtwl run; give another --socket, or stop it`,
    );
  }
}
