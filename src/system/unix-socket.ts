/**
 * Unix stream sockets as channels: how every process here talks on its own machine, and what a virtio_wl context is made
 * of in loopback. Bytes and descriptors go through as they are; nothing here knows a protocol.
 *
 * A socket reads only when it is told that something waits, once per wake-up, into one buffer that all sockets of the
 * process share. It writes at once; what the kernel does not take is copied and queued, and the loop is asked about
 * room only while that queue holds something.
 *
 * A peer that is gone is not an error. It shows in three ways, and all become `end`: a read of 0 bytes; ECONNRESET on
 * reading, which on a Unix socket says only that the peer left bytes of ours unread; and EPIPE or ECONNRESET on writing.
 * In the last case reading goes on until its end, because a Wayland compositor that disconnects a client writes the
 * reason first, and that would be lost.
 */
import { EventEmitter } from 'eventemitter3';
import type { Channel, ChannelEvents } from './channel.js';
import { closeAll, OwnedFd } from './fd.js';
import { IN_FLIGHT_PAUSE_MS, tooManyInFlight } from './in-flight.js';
import { native, POLL_READABLE, POLL_WRITABLE, type Poll } from './native.js';

/** Most fds in one send: libwayland's MAX_FDS_OUT (connection.c), and also virtio_wl's limit. */
export const MAX_SOCKET_FDS = 28;
/** Queued bytes over which `send` returns false. A few frames' worth of messages; pixels do not go through sockets. */
export const HIGH_WATER_BYTES = 1024 * 1024;
/** Queued bytes over which the socket breaks with ENOBUFS: a peer that reads nothing may not take all our memory. */
export const MAX_QUEUED_BYTES = 16 * 1024 * 1024;
/** Queued fds over which the socket breaks with ENOBUFS: half of the usual soft limit of 1,024 open files. */
export const MAX_QUEUED_FDS = 512;
/** One read at most. libwayland's own buffers hold 4 KiB, a Unix socket about 200 KiB. */
const READ_BYTES = 64 * 1024;
/** Room in a queued piece for what comes after it, so that many small sends make few pieces. */
const PIECE_BYTES = 16 * 1024;

/** Valid only inside a `data` event, hence one for all sockets. */
const readBuffer = new Uint8Array(READ_BYTES);

/** An error as the native calls throw it. */
interface SystemError extends Error {
  code?: string;
  errno?: number;
}

export function codeOf(error: unknown): string | undefined {
  return (error as SystemError).code;
}

export interface UnixSocketOptions {
  /** Queued bytes over which `send` returns false; default {@link HIGH_WATER_BYTES}. */
  readonly highWaterBytes?: number;
  /** Queued bytes over which the socket breaks; default {@link MAX_QUEUED_BYTES}. */
  readonly maxQueuedBytes?: number;
  /** Queued fds over which the socket breaks; default {@link MAX_QUEUED_FDS}. */
  readonly maxQueuedFds?: number;
}

/** Bytes that wait for room, and the fds that go with the first of them. */
interface Piece {
  readonly bytes: Uint8Array;
  start: number;
  end: number;
  fds: readonly OwnedFd[];
}

/** A connected Unix stream socket. Events, ownership and errors are those of {@link Channel}. */
export class UnixSocket extends EventEmitter<ChannelEvents> implements Channel {
  readonly maxFds = MAX_SOCKET_FDS;
  readonly #fd: OwnedFd;
  readonly #poll: Poll;
  readonly #highWaterBytes: number;
  readonly #maxQueuedBytes: number;
  readonly #maxQueuedFds: number;
  #queue: Piece[] = [];
  #queuedBytes = 0;
  #queuedFds = 0;
  #started = false;
  #paused = false;
  /** Nothing more can be read: the end was met. */
  #ended = false;
  /** Nothing more can be written: the peer is gone. */
  #deaf = false;
  /** `send` has returned false and `drain` has not been told yet. */
  #drainOwed = false;
  #closed = false;
  /** Set by closeWhenDrained. */
  #closing: NodeJS.Timeout | undefined;
  /** What the poll was last asked for. */
  #asked = 0;
  /** Set while too many descriptors of this user are on their way: nothing is sent until it fires. */
  #retry: NodeJS.Timeout | undefined;

  /** Takes ownership of a connected, non-blocking socket, also when it throws. */
  constructor(fd: OwnedFd, options: UnixSocketOptions = {}) {
    super();
    this.#fd = fd;
    this.#highWaterBytes = options.highWaterBytes ?? HIGH_WATER_BYTES;
    this.#maxQueuedBytes = options.maxQueuedBytes ?? MAX_QUEUED_BYTES;
    this.#maxQueuedFds = options.maxQueuedFds ?? MAX_QUEUED_FDS;
    try {
      this.#poll = new native.Poll(fd.fd, events => this.#onReady(events));
    } catch (error) {
      fd.close();
      throw error;
    }
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

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Who is at the other end, as the kernel noted when it connected. */
  peerCredentials(): { pid: number; uid: number; gid: number } {
    return native.peerCredentials(this.#fd.fd);
  }

  start(): void {
    this.#started = true;
    this.#ask();
  }

  pause(): void {
    this.#paused = true;
    this.#ask();
  }

  resume(): void {
    this.#paused = false;
    this.#ask();
  }

  /** See {@link Channel.send}. What is sent after the close, or to a peer that is gone, is dropped. */
  send(bytes: Uint8Array, fds: readonly OwnedFd[] = []): boolean {
    if (fds.length > MAX_SOCKET_FDS) {
      closeAll(fds);
      throw new RangeError(`${fds.length} descriptors in one send; a socket carries at most ${MAX_SOCKET_FDS}`);
    }
    if (fds.length > 0 && bytes.length === 0) {
      closeAll(fds);
      throw new RangeError('descriptors need at least one byte to go with');
    }
    if (this.#closed || this.#deaf || this.#closing !== undefined || bytes.length === 0) {
      closeAll(fds);
      return true;
    }
    let sent = 0;
    if (this.#queue.length === 0) {
      try {
        sent = native.send(
          this.#fd.fd,
          bytes,
          0,
          bytes.length,
          fds.map(fd => fd.fd),
        );
      } catch (error) {
        if (!this.#triesAgain(error)) {
          closeAll(fds);
          this.#onSendError(error as Error);
          return true;
        }
      }
      // The fds went with the first byte, so they are not sent again with the rest.
      if (sent > 0) closeAll(fds);
      if (sent === bytes.length) return true;
    }
    this.#enqueue(bytes, Math.max(sent, 0), sent > 0 ? [] : fds);
    if (this.#queuedBytes > this.#maxQueuedBytes || this.#queuedFds > this.#maxQueuedFds) {
      this.#fail(
        Object.assign(
          new Error(
            `the peer does not read: ${this.#queuedBytes} bytes and ${this.#queuedFds} descriptors wait for it, at ` +
              `most ${this.#maxQueuedBytes} bytes and ${this.#maxQueuedFds} descriptors may (ENOBUFS)`,
          ),
          { code: 'ENOBUFS' },
        ),
      );
      return true;
    }
    this.#ask();
    if (this.#queuedBytes <= this.#highWaterBytes) return true;
    this.#drainOwed = true;
    return false;
  }

  close(): void {
    this.removeAllListeners();
    this.#release();
  }

  #release(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#closing);
    clearTimeout(this.#retry);
    this.#poll.close();
    this.#dropQueue();
    this.#fd.close();
  }

  closeWhenDrained(timeoutMs = 1000): void {
    if (this.#closed || this.#closing !== undefined) return;
    if (this.#queue.length === 0) {
      this.close();
      return;
    }
    this.removeAllListeners();
    this.#closing = setTimeout(() => this.close(), timeoutMs);
    this.#ask();
  }

  /** Asks the loop for exactly what there is something to do for. */
  #ask(): void {
    if (this.#closed) return;
    let events = 0;
    if (this.#started && !this.#paused && !this.#ended && this.#closing === undefined) events |= POLL_READABLE;
    if (this.#queue.length > 0 && this.#retry === undefined) events |= POLL_WRITABLE;
    if (events === this.#asked) return;
    this.#asked = events;
    if (events === 0) this.#poll.stop();
    else this.#poll.start(events);
  }

  #onReady(events: number): void {
    // A poll error (0) says nothing itself: the system call below meets it and has the errno.
    const ready = events === 0 ? this.#asked : events;
    if ((ready & POLL_WRITABLE) !== 0 && this.#queue.length > 0) this.#flush();
    // What a listener did meanwhile (pause, close) counts: hence #asked.
    if ((ready & this.#asked & POLL_READABLE) !== 0 && !this.#closed) this.#read();
    if (events === 0) {
      // libuv stops watching after an error, and a peer that left bytes of ours unread is one: what it sent before may
      // take several reads.
      this.#asked = 0;
      this.#ask();
    }
  }

  #read(): void {
    const numbers: number[] = [];
    let length: number;
    try {
      length = native.recv(this.#fd.fd, readBuffer, numbers);
    } catch (error) {
      if (codeOf(error) === 'ECONNRESET') this.#onEnd();
      else this.#fail(error as Error);
      return;
    }
    if (length === -1) return;
    if (length === 0) {
      this.#onEnd();
      return;
    }
    const fds = numbers.map(fd => new OwnedFd(fd));
    if (!this.emit('data', readBuffer.subarray(0, length), fds)) closeAll(fds);
  }

  #onEnd(): void {
    this.#ended = true;
    this.#ask();
    this.emit('end');
  }

  #flush(): void {
    while (this.#queue.length > 0) {
      const piece = this.#queue[0]!;
      const length = piece.end - piece.start;
      let sent: number;
      try {
        sent = native.send(
          this.#fd.fd,
          piece.bytes,
          piece.start,
          length,
          piece.fds.map(fd => fd.fd),
        );
      } catch (error) {
        if (this.#triesAgain(error)) {
          this.#ask();
          return;
        }
        this.#onSendError(error as Error);
        break;
      }
      if (sent === -1) return;
      closeAll(piece.fds);
      this.#queuedFds -= piece.fds.length;
      piece.fds = [];
      piece.start += sent;
      this.#queuedBytes -= sent;
      if (sent < length) return;
      this.#queue.shift();
    }
    if (this.#closing !== undefined) {
      this.close();
      return;
    }
    this.#ask();
    if (this.#drainOwed && !this.#closed) {
      this.#drainOwed = false;
      this.emit('drain');
    }
  }

  #enqueue(bytes: Uint8Array, from: number, fds: readonly OwnedFd[]): void {
    const length = bytes.length - from;
    const last = this.#queue.at(-1);
    if (fds.length === 0 && last !== undefined && last.end + length <= last.bytes.length) {
      last.bytes.set(bytes.subarray(from), last.end);
      last.end += length;
    } else {
      const piece = new Uint8Array(Math.max(length, PIECE_BYTES));
      piece.set(bytes.subarray(from));
      this.#queue.push({ bytes: piece, start: 0, end: length, fds });
    }
    this.#queuedBytes += length;
    this.#queuedFds += fds.length;
  }

  #dropQueue(): void {
    for (const piece of this.#queue) closeAll(piece.fds);
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#queuedFds = 0;
  }

  /** Whether an error of a send says only "not now", and the socket waits a moment. */
  #triesAgain(error: unknown): boolean {
    if (!tooManyInFlight(error)) return false;
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      if (!this.#closed) this.#ask();
    }, IN_FLIGHT_PAUSE_MS);
    return true;
  }

  #onSendError(error: Error): void {
    if (codeOf(error) !== 'EPIPE' && codeOf(error) !== 'ECONNRESET') {
      this.#fail(error);
      return;
    }
    this.#deaf = true;
    this.#dropQueue();
    this.#ask();
    if (!this.#drainOwed) return;
    this.#drainOwed = false;
    // Nothing waits any more, and who waits for that may have stopped reading meanwhile and so not see the end. Not
    // within `send`, which must not run its caller's own listeners.
    queueMicrotask(() => {
      if (!this.#closed) this.emit('drain');
    });
  }

  /** Breaks the channel. The event comes after the caller's turn: `send` must not run its caller's own listeners. */
  #fail(error: Error): void {
    this.#release();
    queueMicrotask(() => {
      // Who was told of the end knows already that nothing more comes.
      if (!this.#ended) this.emit('error', error);
      this.removeAllListeners();
    });
  }
}
