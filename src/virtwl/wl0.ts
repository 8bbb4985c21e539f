/**
 * /dev/wl0: the same device as loopback, over the ioctls of linux/virtwl.h. Every vfd is a file of the driver.
 */
import { OwnedFd } from '../system/fd.js';
import {
  native,
  VIRTWL_NEW_ALLOC,
  VIRTWL_NEW_CTX_NAMED,
  VIRTWL_NEW_PIPE_READ,
  VIRTWL_NEW_PIPE_WRITE,
} from '../system/native.js';
import { Context, type Transport } from './context.js';
import type { Device } from './device.js';
import { checkName, MAX_ALLOCATION_BYTES } from './limits.js';
import { Memory, Pipe, PipeRemote, SocketVfd, type PipePair, type Vfd } from './vfd.js';

const transport: Transport = {
  carrier: 'context',
  send: (fd, data, offset, length, fds) => native.virtwlSend(fd, data, offset, length, fds),
  recv: (fd, buffer, fds) => native.virtwlRecv(fd, buffer, fds),
  wrap: wrapReceived,
};

/**
 * A vfd has no fstat worth asking. Memory is what can be mapped (the driver refuses all else with EACCES); of the rest,
 * a pipe has one direction, and a socket has two.
 */
function wrapReceived(fd: number): Vfd {
  try {
    native.map(fd, 0, native.pageSize, false).unmap();
    return new Memory(fd);
  } catch {
    // Not memory: the access mode tells.
  }
  try {
    native.setNonblocking(fd);
    const { access } = native.info(fd);
    if (access === 'rw') return new SocketVfd(fd);
    return new Pipe(fd, access === 'w' ? 'write' : 'read');
  } catch (error) {
    native.close(fd);
    throw error;
  }
}

export class Wl0Device implements Device {
  readonly kind = 'virtio_wl';
  #device: OwnedFd;

  constructor(readonly path: string) {
    try {
      this.#device = new OwnedFd(native.openDevice(path));
    } catch (error) {
      throw openError(path, error);
    }
  }

  connect(name: string): Context {
    checkName(name);
    return new Context(new OwnedFd(this.#new(VIRTWL_NEW_CTX_NAMED, 0, name)), name, transport);
  }

  adopt(socket: SocketVfd): Context {
    return new Context(new OwnedFd(socket.release()), 'handed over', transport);
  }

  allocate(size: number): Memory {
    if (!Number.isInteger(size) || size <= 0 || size > MAX_ALLOCATION_BYTES) {
      throw new RangeError(`an allocation of ${size} bytes: the size must be from 1 to ${MAX_ALLOCATION_BYTES}`);
    }
    return new Memory(this.#new(VIRTWL_NEW_ALLOC, size, ''), size);
  }

  pipe(direction: 'read' | 'write'): PipePair {
    const type = direction === 'read' ? VIRTWL_NEW_PIPE_READ : VIRTWL_NEW_PIPE_WRITE;
    const local = new Pipe(this.#new(type, 0, ''), direction);
    try {
      // One vfd stands for both ends: sending it sends the other one. A second descriptor of it gives each end its owner.
      return { local, remote: new PipeRemote(native.dup(local.fd)) };
    } catch (error) {
      local.close();
      throw error;
    }
  }

  close(): void {
    this.#device.close();
  }

  #new(type: number, size: number, name: string): number {
    let fd: number;
    try {
      fd = native.virtwlNew(this.#device.fd, type, size, name);
    } catch (error) {
      throw newError(this.path, type, size, name, error);
    }
    // The driver hands out blocking files, and blocks in an ioctl accordingly.
    native.setNonblocking(fd);
    return fd;
  }
}

function openError(path: string, cause: unknown): Error {
  const { code, errno } = cause as NodeJS.ErrnoException;
  let hint = cause instanceof Error ? cause.message : String(cause);
  if (code === 'ENOENT') hint = 'it does not exist; load the virtio_wl driver and give the VM a wl device';
  if (code === 'EACCES') hint = 'permission denied; give this user read and write access to it';
  if (code === 'EISDIR') hint = 'it is a directory (EISDIR); a loopback directory is given with --loopback';
  if (code === 'ENXIO' || code === 'ENODEV') hint = 'the driver has no device behind it; give the VM a wl device';
  return Object.assign(new Error(`cannot open the virtio_wl device ${path}: ${hint}`), { code, errno, cause });
}

function newError(path: string, type: number, size: number, name: string, cause: unknown): Error {
  const { code, errno } = cause as NodeJS.ErrnoException;
  let what = 'make a pipe';
  if (type === VIRTWL_NEW_CTX_NAMED) what = `connect to the server "${name}"`;
  if (type === VIRTWL_NEW_ALLOC) what = `allocate ${size} bytes`;
  let hint = cause instanceof Error ? cause.message : String(cause);
  if (code === 'ENOTTY') hint = 'it does not answer the ioctls of linux/virtwl.h, so it is no virtio_wl device';
  else if (type === VIRTWL_NEW_CTX_NAMED && (code === 'ENODEV' || code === 'ENOENT' || code === 'EINVAL')) {
    hint = `the host offers this VM no such server, or it is not running; a flag of the host process turns it on (${code})`;
  } else if (code === 'ENOMEM') hint = 'the host or the device has no memory or place left for it (ENOMEM)';
  return Object.assign(new Error(`cannot ${what} through ${path}: ${hint}`), { code, errno, syscall: 'ioctl', cause });
}
