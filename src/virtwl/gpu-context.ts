/**
 * A context on a virtio_gpu device: a file of the kernel's driver, opened for this connection alone, whose channel is
 * connected to one server. Bytes go as messages; what goes with them is named by identifiers, of which this makes the
 * descriptors that the rest of the library knows:
 *
 * - memory is a dma-buf of the driver, which can be sent over any context of the device;
 * - a pipe is one end of an ordinary pipe, see {@link GpuPipes};
 * - a socket is a context of its own, connected already.
 */
import { getSystemErrorName } from 'node:util';
import { OwnedFd } from '../system/fd.js';
import { native } from '../system/native.js';
import { Context, type Transport } from './context.js';
import { openNode } from './gpu-node.js';
import { linger } from './gpu-linger.js';
import { GpuPipes } from './gpu-pipes.js';
import {
  BlobFlags,
  BlobMemory,
  ChannelType,
  Command,
  CROSS_DOMAIN,
  encodeInit,
  Identifier,
  MESSAGE_BYTES,
  POLLED_RINGS,
  RING_BYTES,
  RINGS,
} from './gpu-wire.js';
import { MAX_FDS } from './limits.js';
import { Memory, Pipe, SocketVfd, type Vfd } from './vfd.js';

/** How long the device may take to connect to a server, in milliseconds. The host process answers at once. */
export const CONNECT_TIMEOUT_MS = 10_000;

/** What a channel is connected to: the device's Wayland server, a server by its name, a socket that was announced. */
export type Target = 'wayland' | { readonly name: string } | { readonly id: number };

/** What {@link Native.gpuReceive} says of a message, and what goes with one that is sent: used during one call. */
const about = new Uint8Array(16 + 12 * MAX_FDS);
const aboutWords = new Uint32Array(about.buffer);
const identifiers = new Uint8Array(12 * MAX_FDS);
const identifierWords = new Uint32Array(identifiers.buffer);
const first = new Uint8Array(RING_BYTES);

/** Makes an open file of the driver a context of cross-domain kind: its ring, by handle and resource. */
export function becomeCrossDomain(fd: OwnedFd): [handle: number, resource: number] {
  native.drmContext(fd.fd, CROSS_DOMAIN, RINGS, POLLED_RINGS);
  return native.drmBlob(fd.fd, BlobMemory.Guest, BlobFlags.Mappable, RING_BYTES, 0);
}

/**
 * Connects to a server; the descriptor is the caller's. Throws with the device's errno as `code`, and ETIMEDOUT where it
 * does not answer.
 */
export function connectChannel(path: string, target: Target): number {
  const fd = openNode(path);
  try {
    const [handle, resource] = becomeCrossDomain(fd);
    native.gpuChannel(fd.fd, handle);
    const init =
      target === 'wayland'
        ? encodeInit(resource, ChannelType.Wayland)
        : encodeInit(resource, ChannelType.Named, target);
    native.drmExecute(fd.fd, init, 0, 0);
    native.gpuNext(fd.fd);
    if (target !== 'wayland') {
      if (!native.gpuWait(fd.fd, CONNECT_TIMEOUT_MS)) {
        throw Object.assign(new Error(`the device has not answered within ${CONNECT_TIMEOUT_MS} ms`), {
          code: 'ETIMEDOUT',
        });
      }
      native.gpuReceive(fd.fd, first, about);
      checkConnected();
      native.gpuNext(fd.fd);
    }
    return fd.release();
  } catch (error) {
    fd.close();
    throw error;
  }
}

function checkConnected(): void {
  const [command, errno = 0] = aboutWords;
  if (command !== Command.Connected) {
    throw Object.assign(new Error(`the device answered by command ${command}`), { code: 'EPROTO' });
  }
  if (errno === 0) return;
  const code = getSystemErrorName(-errno);
  throw Object.assign(new Error(`the device says ${code}`), { code, errno });
}

/** Makes a context of a connected channel. Takes ownership of `fd`. */
export function contextOf(path: string, fd: number, name: string): Context {
  const pipes = new GpuPipes({
    hasRoom: () => native.gpuHasRoom(fd),
    submit: (command, length) => native.gpuSubmit(fd, command, 0, length),
  });
  return new Context(new ChannelFd(fd, pipes), name, new GpuTransport(path, pipes));
}

/** The descriptor of a channel; closed, it is kept until the channel's pipes have ended. */
class ChannelFd extends OwnedFd {
  constructor(
    fd: number,
    private readonly pipes: GpuPipes,
  ) {
    super(fd);
  }

  override close(): void {
    if (!this.closed && this.pipes.active) {
      linger(new OwnedFd(this.release()), this.pipes);
      return;
    }
    this.pipes.close();
    super.close();
  }
}

class GpuTransport implements Transport {
  readonly carrier = 'gpu';
  readonly chunkBytes = MESSAGE_BYTES;

  constructor(
    private readonly path: string,
    private readonly pipes: GpuPipes,
  ) {}

  send(fd: number, data: Uint8Array, offset: number, length: number, fds: readonly number[]): number {
    if (fds.length === 0) return native.gpuSend(fd, data, offset, length, identifiers, 0);
    if (!native.gpuHasRoom(fd)) return -1;
    const handles = new Set<number>();
    try {
      for (const [at, sent] of fds.entries()) {
        const { id, type, size } = this.#identify(fd, sent, handles);
        identifierWords[at] = id;
        identifierWords[MAX_FDS + at] = type;
        identifierWords[2 * MAX_FDS + at] = size;
      }
      return native.gpuSend(fd, data, offset, length, identifiers, fds.length);
    } finally {
      // The device has its own by then: it handles one command after the other.
      for (const handle of handles) native.drmCloseHandle(fd, handle);
    }
  }

  recv(fd: number, buffer: Uint8Array, fds: number[]): number {
    const length = native.gpuReceive(fd, buffer, about);
    if (length < 0) return -1;
    const [command, count = 0, , hangUp] = aboutWords;
    if (command === Command.End || (command === Command.Receive && length === 0 && count === 0)) {
      if (this.pipes.active) native.gpuNext(fd);
      return 0;
    }
    if (command === Command.Read) {
      const whole = this.pipes.take(count, buffer.subarray(0, length), hangUp !== 0, () => native.gpuNext(fd));
      if (whole) native.gpuNext(fd);
      return -1;
    }
    // What a later device may say beside.
    const known = command === Command.Receive;
    if (known) this.#receiveAll(fd, aboutWords.slice(4), count, fds);
    native.gpuNext(fd);
    return known ? length : -1;
  }

  wrap(fd: number): Vfd {
    try {
      const { type, access, size } = native.info(fd);
      if (type === 'pipe') return new Pipe(fd, access === 'w' ? 'write' : 'read');
      if (type === 'character') return new SocketVfd(fd);
      return new Memory(fd, 0, size, true);
    } catch (error) {
      native.close(fd);
      throw error;
    }
  }

  /** What stands for a descriptor of ours; of memory, the handle is to be closed. */
  #identify(fd: number, sent: number, handles: Set<number>): { id: number; type: number; size: number } {
    const { type, access, size } = native.info(sent);
    if (type === 'pipe') {
      return access === 'w'
        ? { id: this.pipes.sendWriteEnd(sent), type: Identifier.ReadPipe, size: 0 }
        : { id: this.pipes.sendReadEnd(sent), type: Identifier.WritePipe, size: 0 };
    }
    const [handle, resource] = native.drmImport(fd, sent);
    handles.add(handle);
    return { id: resource, type: Identifier.Memory, size };
  }

  /** Makes descriptors of all that came, in `fds`; of none where one cannot be made. */
  #receiveAll(fd: number, words: Uint32Array, count: number, fds: number[]): void {
    try {
      for (let at = 0; at < count; at++) {
        fds.push(this.#receive(fd, words[at]!, words[MAX_FDS + at]!, words[2 * MAX_FDS + at]!));
      }
    } catch (error) {
      for (const made of fds.splice(0)) native.close(made);
      throw error;
    }
  }

  #receive(fd: number, id: number, type: number, size: number): number {
    switch (type) {
      case Identifier.Memory:
        return exportBlob(fd, size, id);
      case Identifier.ReadPipe:
        return this.pipes.receiveReadEnd(id);
      case Identifier.WritePipe:
        return this.pipes.receiveWriteEnd(id);
      case Identifier.Socket:
        return connectChannel(this.path, { id });
      default:
        throw Object.assign(new Error(`the device sent something of the unknown type ${type}`), { code: 'EPROTO' });
    }
  }
}

/** Host memory as a dma-buf, the caller's. `id` is what the device gave in this context. */
export function exportBlob(fd: number, size: number, id: number): number {
  const [handle] = native.drmBlob(fd, BlobMemory.Host, BlobFlags.MappableAndShareable, size, id);
  try {
    return native.drmExport(fd, handle);
  } finally {
    native.drmCloseHandle(fd, handle);
  }
}
