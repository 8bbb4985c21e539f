/**
 * The kernel's own virtio_gpu driver as the way to the host: the same device as /dev/wl0, in a guest without a module of
 * ours. A context is an opening of /dev/dri/renderD*, memory is a dma-buf.
 */
import { codeOf } from '../system/errno.js';
import type { OwnedFd } from '../system/fd.js';
import { native, type Mapping } from '../system/native.js';
import type { Context } from './context.js';
import type { Device } from './device.js';
import { becomeCrossDomain, connectChannel, contextOf, exportBlob, type Target } from './gpu-context.js';
import { openGpu, type GpuNode } from './gpu-node.js';
import {
  ChannelType,
  decodeImageRequirements,
  encodeImageRequirements,
  encodeInit,
  QUERY_RING,
  RING_BYTES,
} from './gpu-wire.js';
import { checkName, MAX_ALLOCATION_BYTES } from './limits.js';
import { kernelPipe, Memory, type PipePair, type SocketVfd } from './vfd.js';

/** The one server of a device that has none by name. */
const WAYLAND = 'wayland';

/** The device's own file as a context without a channel, which memory is asked for in. */
interface Home {
  readonly handle: number;
  readonly ring: Mapping;
}

export class GpuDevice implements Device {
  readonly kind = 'virtio_gpu';
  readonly #node: GpuNode;
  #home: Home | undefined;

  /** Throws where the path leads to no servers. */
  constructor(readonly path: string) {
    this.#node = openGpu(path);
  }

  connect(name: string): Context {
    checkName(name);
    if (!this.#node.named && name !== WAYLAND) {
      throw Object.assign(
        new Error(
          `cannot connect to the server "${name}" through ${this.path}: this device has a Wayland server and none by ` +
            'name; the one of "virtwl host --gpu-socket" has (ENOTSUP)',
        ),
        { code: 'ENOTSUP' },
      );
    }
    const target: Target = this.#node.named ? { name } : 'wayland';
    try {
      return contextOf(this.path, connectChannel(this.path, target), name);
    } catch (error) {
      throw connectError(this.path, name, error);
    }
  }

  adopt(socket: SocketVfd): Context {
    return contextOf(this.path, socket.release(), 'handed over');
  }

  allocate(size: number): Memory {
    if (!Number.isInteger(size) || size <= 0 || size > MAX_ALLOCATION_BYTES) {
      throw new RangeError(`an allocation of ${size} bytes: the size must be from 1 to ${MAX_ALLOCATION_BYTES}`);
    }
    try {
      const { fd } = this.#node;
      const { handle, ring } = (this.#home ??= makeHome(fd));
      native.drmExecute(fd.fd, encodeImageRequirements(size), QUERY_RING, handle);
      native.drmWait(fd.fd, handle);
      const answer = decodeImageRequirements(ring.buffer);
      if (answer.size < size) throw Object.assign(new Error('the host gives none (ENOMEM)'), { code: 'ENOMEM' });
      const blob = exportBlob(fd.fd, answer.size, answer.blobId);
      const memory = new Memory(blob, size, Math.ceil(size / native.pageSize) * native.pageSize, true);
      try {
        // What the device has refused, the driver tells only now.
        memory.map(size, true).unmap();
        return memory;
      } catch (error) {
        memory.close();
        throw error;
      }
    } catch (cause) {
      const message = `cannot allocate ${size} bytes through ${this.path}: ${(cause as Error).message}`;
      throw Object.assign(new Error(message), { code: codeOf(cause), cause });
    }
  }

  pipe(direction: 'read' | 'write'): PipePair {
    return kernelPipe(direction);
  }

  close(): void {
    this.#home?.ring.unmap();
    this.#home = undefined;
    this.#node.fd.close();
  }
}

/** Lends `fd`. */
function makeHome(fd: OwnedFd): Home {
  const [handle, resource] = becomeCrossDomain(fd);
  native.drmExecute(fd.fd, encodeInit(resource, ChannelType.None), 0, 0);
  return { handle, ring: native.map(fd.fd, native.drmMapOffset(fd.fd, handle), RING_BYTES, false) };
}

function connectError(path: string, name: string, cause: unknown): Error {
  const { code, errno } = cause as NodeJS.ErrnoException;
  let hint = (cause as Error).message;
  if (code === 'ENOENT') {
    hint =
      'the host offers this VM no such server, or it is not running; a flag of the host process turns it on (ENOENT)';
  } else if (code === 'ETIMEDOUT') {
    hint = `${(cause as Error).message}: see the log of the host process (ETIMEDOUT)`;
  }
  return Object.assign(new Error(`cannot connect to the server "${name}" through ${path}: ${hint}`), {
    code,
    errno,
    syscall: 'connect',
    cause,
  });
}
