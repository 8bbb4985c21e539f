/**
 * A context: one connection to a host server, as a {@link Channel} of bytes and vfds.
 *
 * Outgoing bytes are cut into transactions of at most {@link MAX_CHUNK_BYTES}; fds travel with the first byte of their
 * `send`. What the kernel does not take at once is copied and queued, in order, and leaves when the context is
 * writable. Incoming fds are wrapped as vfds by what they are. How a transaction enters the kernel, and how a received
 * descriptor tells what it is, is the {@link Transport}'s: ioctls on /dev/wl0, sendmsg in loopback.
 *
 * The peer going away is `end`, however the kernel tells it (end of stream, EPIPE, ECONNRESET); everything else that
 * breaks the context is `error`.
 */
import { EventEmitter } from 'eventemitter3';
import type { Channel, ChannelEvents } from '../system/channel.js';
import { closeAll, OwnedFd } from '../system/fd.js';
import { IN_FLIGHT_PAUSE_MS, tooManyInFlight } from '../system/in-flight.js';
import { native, POLL_READABLE, POLL_WRITABLE, type Poll } from '../system/native.js';
import { HIGH_WATER_BYTES, MAX_CHUNK_BYTES, MAX_FDS, MAX_QUEUED_BYTES, MAX_QUEUED_FDS } from './limits.js';
import { Vfd } from './vfd.js';

/** The system calls of one kind of device. The fds are lent for the call. */
export interface Transport {
  /** One transaction of at most MAX_CHUNK_BYTES. Bytes taken, or -1 when it would block. */
  send(fd: number, data: Uint8Array, offset: number, length: number, fds: readonly number[]): number;
  /** Bytes received, 0 with no fds at the end, -1 when it would block. */
  recv(fd: number, buffer: Uint8Array, fds: number[]): number;
  /** Finds out what a received descriptor is. Takes ownership of `fd`, also when it throws. */
  wrap(fd: number): Vfd;
}

/** Bytes (at most one transaction's worth) with the fds that go with the first of them. */
interface Transaction {
  bytes: Uint8Array;
  sent: number;
  fds: readonly OwnedFd[];
}

/** Received bytes land here before they are delivered: `data` lends them for the call only, so one buffer does. */
const receiveBuffer = new Uint8Array(64 * 1024);
let receiveBufferInUse = false;

const none: readonly OwnedFd[] = [];

export class Context extends EventEmitter<ChannelEvents> implements Channel {
  readonly maxFds = MAX_FDS;
  #fd: OwnedFd;
  #poll: Poll;
  #queue: Transaction[] = [];
  #queuedBytes = 0;
  #queuedFds = 0;
  #started = false;
  #paused = false;
  #ended = false;
  #peerGone = false;
  #wantsDrain = false;
  #events = 0;
  /** Set while too many descriptors of this user are on their way: nothing is sent until it fires. */
  #retry: NodeJS.Timeout | undefined;
  #closeTimer: NodeJS.Timeout | undefined;
  #closingWhenDrained = false;

  /** Takes ownership of `fd`, a connected context. Made by `Device.connect` and `Device.adopt`. */
  constructor(
    fd: OwnedFd,
    /** The server's name, or what the socket is for: used in error messages. */
    readonly name: string,
    private readonly transport: Transport,
  ) {
    super();
    this.#fd = fd;
    try {
      this.#poll = new native.Poll(fd.fd, events => this.#ready(events));
    } catch (error) {
      fd.close();
      throw error;
    }
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get closed(): boolean {
    return this.#fd.closed;
  }

  start(): void {
    if (this.closed) throw new Error(`the context "${this.name}" was started after it was closed`);
    this.#started = true;
    this.#watch();
  }

  /**
   * Stops delivering until `start()` is called again, and forgets all listeners: for handing the context to another
   * owner in the middle of its life.
   */
  hold(): void {
    this.removeAllListeners();
    this.#started = false;
    this.#watch();
  }

  pause(): void {
    this.#paused = true;
    this.#watch();
  }

  resume(): void {
    this.#paused = false;
    this.#watch();
  }

  /** See {@link Channel.send}. What is sent after the close, or to a peer that is gone, is dropped. */
  send(bytes: Uint8Array, fds: readonly OwnedFd[] = none): boolean {
    try {
      this.#check(bytes, fds);
    } catch (error) {
      closeAll(fds);
      throw error;
    }
    if (this.#peerGone || this.closed || this.#closingWhenDrained) {
      closeAll(fds);
      return true;
    }
    let offset = 0;
    if (this.#queue.length === 0) {
      offset = this.#sendNow(bytes, fds);
      if (offset > 0) fds = none;
      if (this.#peerGone) {
        closeAll(fds);
        return true;
      }
    }
    // Copied once as a whole, then cut: the caller may use its buffer again.
    if (offset < bytes.length) {
      // Not slice(): a Buffer's gives a view.
      const rest = new Uint8Array(bytes.subarray(offset));
      for (let at = 0; at < rest.length; at += MAX_CHUNK_BYTES) {
        const chunk = rest.subarray(at, at + MAX_CHUNK_BYTES);
        this.#queue.push({ bytes: chunk, sent: 0, fds: at === 0 ? fds : none });
      }
      this.#queuedBytes += rest.length;
      this.#queuedFds += fds.length;
      if (this.#queuedBytes > MAX_QUEUED_BYTES || this.#queuedFds > MAX_QUEUED_FDS) {
        const what = `${this.#queuedBytes} bytes and ${this.#queuedFds} fds are queued for a server that does not read`;
        this.#peerGone = true;
        this.#dropQueue();
        setImmediate(() => this.#fail('sending on', Object.assign(new Error(what), { code: 'ENOBUFS' })));
        return true;
      }
      this.#watch();
    }
    if (this.#queuedBytes <= HIGH_WATER_BYTES) return true;
    this.#wantsDrain = true;
    return false;
  }

  close(): void {
    if (this.closed) return;
    clearTimeout(this.#closeTimer);
    clearTimeout(this.#retry);
    this.#poll.close();
    this.#dropQueue();
    this.#fd.close();
    this.#ended = true;
    this.removeAllListeners();
  }

  closeWhenDrained(timeoutMs = 1000): void {
    if (this.closed || this.#closingWhenDrained) return;
    this.removeAllListeners();
    if (this.#queue.length === 0) {
      this.close();
      return;
    }
    this.#closingWhenDrained = true;
    this.#watch();
    this.#closeTimer = setTimeout(() => this.close(), timeoutMs);
  }

  #check(bytes: Uint8Array, fds: readonly OwnedFd[]): void {
    if (fds.length === 0) return;
    if (fds.length > MAX_FDS) {
      throw new RangeError(
        `${fds.length} fds in one send on the context "${this.name}": virtio_wl carries at most ${MAX_FDS}`,
      );
    }
    if (bytes.length === 0) {
      throw new RangeError(`${fds.length} fds without a byte to carry them on the context "${this.name}"`);
    }
    for (const fd of fds) {
      if (fd instanceof Vfd && fd.sendable && !fd.closed) continue;
      const what = fd instanceof Vfd ? (fd.closed ? 'a closed vfd' : `a received ${fd.kind}`) : 'no vfd';
      throw Object.assign(
        new TypeError(
          `an fd that virtio_wl cannot carry was to be sent on the context "${this.name}": it is ${what}; ` +
            'only memory and the remote end of a pipe made by the device can be sent',
        ),
        { code: 'EINVAL' },
      );
    }
  }

  /** Sends what the kernel takes without waiting; closes the fds once they left. Returns the bytes taken. */
  #sendNow(bytes: Uint8Array, fds: readonly OwnedFd[]): number {
    let offset = 0;
    while (offset < bytes.length) {
      const sent = this.#transact(bytes, offset, Math.min(MAX_CHUNK_BYTES, bytes.length - offset), fds);
      if (sent < 0) break;
      fds = none;
      offset += sent;
    }
    return offset;
  }

  /** One system call. Closes the fds that were sent. -1 when it is too early for it, or the context is broken. */
  #transact(bytes: Uint8Array, offset: number, length: number, fds: readonly OwnedFd[]): number {
    let sent: number;
    try {
      sent = this.transport.send(this.#fd.fd, bytes, offset, length, fds.length === 0 ? [] : fds.map(fd => fd.fd));
    } catch (error) {
      if (tooManyInFlight(error)) {
        this.#retry ??= setTimeout(() => {
          this.#retry = undefined;
          this.#watch();
        }, IN_FLIGHT_PAUSE_MS);
        return -1;
      }
      this.#peerGone = true;
      this.#dropQueue();
      // A peer that is gone may have left data behind: reading goes on, and ends in `end`. Some drivers say ENODEV of the
      // peer as well as of the device; which of them it is, reading tells.
      const gone = isHangUp(error) || (error as NodeJS.ErrnoException).code === 'ENODEV';
      if (!gone) setImmediate(() => this.#fail('sending on', error));
      return -1;
    }
    if (sent > 0) closeAll(fds);
    return sent;
  }

  #flush(): void {
    while (this.#queue.length > 0) {
      const head = this.#queue[0]!;
      const sent = this.#transact(head.bytes, head.sent, head.bytes.length - head.sent, head.fds);
      if (sent < 0) {
        this.#watch();
        break;
      }
      this.#queuedFds -= head.fds.length;
      head.fds = none;
      head.sent += sent;
      this.#queuedBytes -= sent;
      if (head.sent === head.bytes.length) this.#queue.shift();
    }
    if (this.#queue.length > 0) return;
    this.#watch();
    if (this.#closingWhenDrained) {
      this.close();
    } else if (this.#wantsDrain) {
      this.#wantsDrain = false;
      this.emit('drain');
    }
  }

  #ready(events: number): void {
    if (this.closed) return;
    // libuv stops a poll that saw POLLERR, and a Unix socket whose peer left data unread raises it. What it means, and
    // whether data is left, only the next system call tells.
    const pollError = events === 0;
    if (pollError) this.#events = 0;
    if ((pollError || (events & POLL_WRITABLE) !== 0) && this.#queue.length > 0) this.#flush();
    const reading = this.#started && !this.#ended && !this.#paused && !this.#closingWhenDrained;
    if (!this.closed && reading && (pollError || (events & POLL_READABLE) !== 0)) this.#receive();
    this.#watch();
  }

  #receive(): void {
    // A listener that runs an event loop turn of its own while it holds the shared buffer would see it overwritten.
    const buffer = receiveBufferInUse ? new Uint8Array(receiveBuffer.length) : receiveBuffer;
    const numbers: number[] = [];
    let length: number;
    let fds: OwnedFd[];
    try {
      length = this.transport.recv(this.#fd.fd, buffer, numbers);
      fds = this.#wrapAll(numbers);
    } catch (error) {
      if (isHangUp(error)) this.#end();
      else this.#fail('receiving from', error);
      return;
    }
    if (length < 0) return;
    if (length === 0 && fds.length === 0) {
      this.#end();
      return;
    }
    if (this.listenerCount('data') === 0) {
      closeAll(fds);
      return;
    }
    const outer = receiveBufferInUse;
    receiveBufferInUse = true;
    try {
      this.emit('data', buffer.subarray(0, length), fds);
    } finally {
      receiveBufferInUse = outer;
    }
  }

  #wrapAll(numbers: readonly number[]): OwnedFd[] {
    const fds: OwnedFd[] = [];
    let at = 0;
    try {
      if (numbers.length > MAX_FDS) {
        throw Object.assign(
          new Error(`the server sent ${numbers.length} fds in one message: virtio_wl carries at most ${MAX_FDS}`),
          { code: 'EMSGSIZE' },
        );
      }
      while (at < numbers.length) fds.push(this.transport.wrap(numbers[at++]!));
      return fds;
    } catch (error) {
      closeAll(fds);
      for (; at < numbers.length; at++) native.close(numbers[at]!);
      throw error;
    }
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#peerGone = true;
    this.#dropQueue();
    this.#watch();
    this.emit('end');
  }

  #fail(doing: string, cause: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    const error = cause instanceof Error ? cause : new Error(String(cause));
    error.message = `${doing} the context "${this.name}": ${error.message}`;
    clearTimeout(this.#retry);
    this.#poll.close();
    this.#dropQueue();
    this.#fd.close();
    this.emit('error', error);
    this.removeAllListeners();
  }

  #dropQueue(): void {
    for (const transaction of this.#queue) closeAll(transaction.fds);
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#queuedFds = 0;
    if (this.#closingWhenDrained) setImmediate(() => this.close());
  }

  /** Asks the poll for what is wanted now. */
  #watch(): void {
    if (this.closed) return;
    let events = 0;
    if (!this.#ended && this.#started && !this.#paused && !this.#closingWhenDrained) events |= POLL_READABLE;
    if (this.#queue.length > 0 && this.#retry === undefined) events |= POLL_WRITABLE;
    if (events === this.#events) return;
    this.#events = events;
    if (events === 0) this.#poll.stop();
    else this.#poll.start(events);
  }
}

function isHangUp(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === 'EPIPE' || code === 'ECONNRESET';
}
