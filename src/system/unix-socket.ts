/**
 * Unix stream sockets as channels: how every process here talks on its own machine. Any descriptor can go along.
 *
 * A peer may stop writing and read on (SHUT_WR): its `end` is told, and what is sent is still delivered.
 */
import { OwnedFd } from './fd.js';
import { native } from './native.js';
import { Stream } from './stream.js';

/** Most fds in one send: libwayland's MAX_FDS_OUT (connection.c), and also virtio_wl's limit. */
export const MAX_SOCKET_FDS = 28;
/** Queued bytes over which `send` returns false. A few frames' worth of messages; pixels do not go through sockets. */
export const HIGH_WATER_BYTES = 1024 * 1024;
/** Queued bytes over which the socket breaks with ENOBUFS: a peer that reads nothing may not take all our memory. */
export const MAX_QUEUED_BYTES = 16 * 1024 * 1024;
/** Queued fds over which the socket breaks with ENOBUFS: half of the usual soft limit of 1,024 open files. */
export const MAX_QUEUED_FDS = 512;

export interface UnixSocketOptions {
  /** Queued bytes over which `send` returns false; default {@link HIGH_WATER_BYTES}. */
  readonly highWaterBytes?: number;
  /** Queued bytes over which the socket breaks; default {@link MAX_QUEUED_BYTES}. */
  readonly maxQueuedBytes?: number;
  /** Queued fds over which the socket breaks; default {@link MAX_QUEUED_FDS}. */
  readonly maxQueuedFds?: number;
}

/** A connected Unix stream socket. Events, ownership and errors are those of `Channel`. */
export class UnixSocket extends Stream {
  protected override readonly endsBothWays = false;
  protected override readonly carrier = 'socket';

  /** Takes ownership of a connected, non-blocking socket, also when it throws. */
  constructor(fd: OwnedFd, options: UnixSocketOptions = {}) {
    const limits = {
      maxFds: MAX_SOCKET_FDS,
      chunkBytes: Infinity,
      highWaterBytes: options.highWaterBytes ?? HIGH_WATER_BYTES,
      maxQueuedBytes: options.maxQueuedBytes ?? MAX_QUEUED_BYTES,
      maxQueuedFds: options.maxQueuedFds ?? MAX_QUEUED_FDS,
    };
    super(fd, limits, 'a socket');
  }

  /**
   * Connects to the socket that listens at `path`.
   * @throws Error with `code`: ENOENT and ECONNREFUSED when nobody listens there, EACCES when this user may not, EAGAIN
   * when too many wait to be accepted
   */
  static connect(path: string, options?: UnixSocketOptions): UnixSocket {
    return new UnixSocket(new OwnedFd(native.connectUnix(path)), options);
  }

  /** Two sockets that are connected with each other. */
  static pair(options?: UnixSocketOptions): [UnixSocket, UnixSocket] {
    const [a, b] = native.socketpair().map(fd => new OwnedFd(fd)) as [OwnedFd, OwnedFd];
    return [new UnixSocket(a, options), new UnixSocket(b, options)];
  }

  /** The process at the other end, as the kernel noted it when it connected. */
  peerCredentials(): { pid: number; uid: number; gid: number } {
    return native.peerCredentials(this.fd.fd);
  }

  protected override transmit(bytes: Uint8Array, start: number, length: number, fds: readonly number[]): number {
    return native.send(this.fd.fd, bytes, start, length, fds);
  }

  protected override receive(buffer: Uint8Array, fds: number[]): number {
    return native.recv(this.fd.fd, buffer, fds);
  }
}
