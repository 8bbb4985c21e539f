/**
 * Loopback: a directory of Unix sockets stands in for the host's servers, and this process for the guest. A context is a
 * connection to the socket of that name, memory is a memfd, a pipe is a pipe. The limits are virtio_wl's.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { OwnedFd } from '../system/fd.js';
import { native } from '../system/native.js';
import { Context, type Transport } from './context.js';
import type { Device } from './device.js';
import { checkName, MAX_ALLOCATION_BYTES } from './limits.js';
import { kernelPipe, Memory, Pipe, SocketVfd, type PipePair, type Vfd } from './vfd.js';

const transport: Transport = {
  carrier: 'socket',
  send: (fd, data, offset, length, fds) => native.send(fd, data, offset, length, fds),
  recv: (fd, buffer, fds) => native.recv(fd, buffer, fds),
  wrap: wrapReceived,
};

/** How far the driver lets memory of `size` bytes be mapped. */
function pages(size: number): number {
  return Math.ceil(size / native.pageSize) * native.pageSize;
}

/** As the wl device does it: what can seek is memory, a socket can become a context, all else is a pipe. */
function wrapReceived(fd: number): Vfd {
  try {
    const info = native.info(fd);
    if (info.seekable) return new Memory(fd, 0, pages(info.size));
    if (info.type === 'socket') return new SocketVfd(fd);
    return new Pipe(fd, info.access === 'w' ? 'write' : 'read');
  } catch (error) {
    native.close(fd);
    throw error;
  }
}

export class LoopbackDevice implements Device {
  readonly kind = 'loopback';

  constructor(readonly path: string) {
    if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
      throw Object.assign(
        new Error(`there is no loopback directory ${path}: start "virtwl host --loopback ${path}" first`),
        { code: 'ENOENT' },
      );
    }
  }

  connect(name: string): Context {
    checkName(name);
    let fd: number;
    try {
      fd = native.connectUnix(join(this.path, name));
    } catch (error) {
      throw connectError(name, this.path, error);
    }
    return new Context(new OwnedFd(fd), name, transport);
  }

  adopt(socket: SocketVfd): Context {
    return new Context(new OwnedFd(socket.release()), 'handed over', transport);
  }

  allocate(size: number): Memory {
    if (!Number.isInteger(size) || size <= 0 || size > MAX_ALLOCATION_BYTES) {
      throw new RangeError(`an allocation of ${size} bytes: the size must be from 1 to ${MAX_ALLOCATION_BYTES}`);
    }
    const fd = new OwnedFd(native.memfd('virtwl', 0, 0));
    try {
      native.reserve(fd.fd, size);
    } catch (error) {
      fd.close();
      throw error;
    }
    return new Memory(fd.release(), size, pages(size));
  }

  pipe(direction: 'read' | 'write'): PipePair {
    return kernelPipe(direction);
  }

  close(): void {
    // A directory needs no closing; contexts and vfds belong to their holders.
  }
}

/** What the directory has instead: it may be another VM's. */
function offered(path: string): string {
  try {
    const sockets = readdirSync(path, { withFileTypes: true }).filter(entry => entry.isSocket());
    const names = sockets.map(({ name }) => name).sort();
    return names.length === 0 ? 'there is none in this directory' : `in this directory are ${names.join(', ')}`;
  } catch (error) {
    return `the directory cannot be read: ${(error as Error).message}`;
  }
}

function connectError(name: string, path: string, cause: unknown): Error {
  const code = (cause as NodeJS.ErrnoException).code;
  let hint: string;
  if (code === 'ENOENT') {
    hint =
      `the host offers this VM no such server; ${offered(path)}; "virtwl host" turns each one on with a flag; ` +
      "if this directory is another VM's, give that of this VM";
  } else if (code === 'ECONNREFUSED')
    hint = 'its socket is there, but no process listens on it: the host process is gone';
  else if (code === 'EAGAIN') hint = 'too many connections wait for it already: try again later';
  else hint = cause instanceof Error ? cause.message : String(cause);
  return Object.assign(new Error(`cannot connect to the server "${name}" (loopback directory ${path}): ${hint}`), {
    code,
    errno: (cause as NodeJS.ErrnoException).errno,
    syscall: 'connect',
    cause,
  });
}
