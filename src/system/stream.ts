/**
 * What every channel here is made of: a descriptor that is polled, one queue of what the kernel has not taken yet, and the
 * contract of {@link Channel}. Bytes and descriptors go through as they are; nothing here knows a protocol. The system
 * calls, and what kinds of descriptors can go along, are those of the subclass.
 *
 * A stream reads only when it is told that something waits, once per wake-up, into one buffer that all streams of the
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
import { isHangUp } from './errno.js';
import { closeAll, OwnedFd } from './fd.js';
import { IN_FLIGHT_PAUSE_MS, tooManyInFlight } from './in-flight.js';
import { native, POLL_READABLE, POLL_WRITABLE, type Poll } from './native.js';
import { SendQueue, type StreamLimits } from './send-queue.js';

export type { StreamLimits } from './send-queue.js';

/** One read at most. libwayland's own buffers hold 4 KiB, a Unix socket about 200 KiB. */
const READ_BYTES = 64 * 1024;

/** What passes natively in one send, where the peer takes any number. */
const MOST_PASSED_BYTES = 1 << 20;

/** A socket, a context of /dev/wl0, or one of virtio_gpu. */
export type Carrier = 'socket' | 'context' | 'gpu';

/** As native code counts them. */
const CARRIERS: readonly Carrier[] = ['socket', 'context', 'gpu'];

/** Valid only inside a `data` event, hence one for all streams. */
const readBuffer = new Uint8Array(READ_BYTES);

const noFds: readonly OwnedFd[] = [];
const noNumbers: readonly number[] = [];

/** Events, ownership and errors are those of {@link Channel}. */
export abstract class Stream extends EventEmitter<ChannelEvents> implements Channel {
  readonly maxFds: number;
  readonly #poll: Poll;
  readonly #limits: StreamLimits;
  readonly #queue = new SendQueue();
  #started = false;
  #paused = false;
  /** Nothing more can be read: the end was met. */
  #ended = false;
  /** Nothing more can be written: the peer is gone. */
  #deaf = false;
  /** `send` has returned false and `drain` has not been told yet. */
  #drainOwed = false;
  #closed = false;
  /** The owner has closed it, and is told nothing any more. */
  #silent = false;
  /** Set by closeWhenDrained. */
  #closing: NodeJS.Timeout | undefined;
  /** What the poll was last asked for. */
  #asked = 0;
  /** Set while too many descriptors of this user are on their way: nothing is sent until it fires. */
  #retry: NodeJS.Timeout | undefined;
  /** Between two owners: see {@link hold}. */
  #held = false;
  /** The error that broke it meanwhile: for the next owner. */
  #unheard: Error | undefined;
  /** What was received already, by native code: its length, with its fds; undefined: nothing was. */
  #intake: ((fds: number[]) => number | undefined) | undefined;
  #busy: { readonly words: Int32Array; readonly word: number } | undefined;

  /** Takes ownership of a connected, non-blocking descriptor, also when it throws. `what`: what messages call it. */
  constructor(
    protected readonly fd: OwnedFd,
    limits: StreamLimits,
    protected readonly what: string,
  ) {
    super();
    this.maxFds = limits.maxFds;
    this.#limits = limits;
    try {
      this.#poll = new native.Poll(fd.fd, events => this.#onReady(events));
    } catch (error) {
      fd.close();
      throw error;
    }
  }

  // ---- what a subclass says ----------------------------------------------------------------------------------------

  /** One system call, of at most `chunkBytes`. Bytes taken, or -1 when it would block. The fds are lent. */
  protected abstract transmit(bytes: Uint8Array, start: number, length: number, fds: readonly number[]): number;

  /** One system call. Bytes received, 0 without fds at the end, or -1 when it would block. Appends to `fds`. */
  protected abstract receive(buffer: Uint8Array, fds: number[]): number;

  /** Makes owners of received fds. Takes ownership of all of them, also when it throws, which breaks the stream. */
  protected own(fds: readonly number[]): OwnedFd[] {
    return fds.map(fd => new OwnedFd(fd));
  }

  /** Throws a TypeError where one of the fds cannot be sent. */
  protected checkSendable(_fds: readonly OwnedFd[]): void {}

  /** What native code may read and write beside it, by the system calls of its kind. */
  protected abstract readonly carrier: Carrier | undefined;

  /** Whether a poll tells when there is room to write. Where it does not, a send that would block is tried again soon. */
  protected get pollsForRoom(): boolean {
    return this.carrier !== 'gpu';
  }

  /** Whether the error of a send says only that the peer is gone. */
  protected saysGone(error: unknown): boolean {
    return isHangUp(error);
  }

  /** Whether the end of what the peer sends is also the end of what it takes: there is no half-close. */
  protected abstract readonly endsBothWays: boolean;

  // ---- the channel -------------------------------------------------------------------------------------------------

  get queuedBytes(): number {
    return this.#queue.bytes;
  }

  get closed(): boolean {
    return this.#closed;
  }

  start(): void {
    this.#started = true;
    this.#held = false;
    const unheard = this.#unheard;
    this.#unheard = undefined;
    if (unheard !== undefined) queueMicrotask(() => this.#tell(unheard));
    this.#ask();
  }

  /**
   * Stops delivering until `start()` is called again, and forgets all listeners: for handing it to another owner in the
   * middle of its life. An error that comes meanwhile is the next owner's, after its `start()`.
   */
  hold(): void {
    this.removeAllListeners();
    this.#started = false;
    this.#held = true;
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

  send(bytes: Uint8Array, fds: readonly OwnedFd[] = noFds): boolean {
    if (fds.length > 0) this.#check(bytes, fds);
    if (this.#closed || this.#deaf || this.#closing !== undefined || bytes.length === 0) {
      closeAll(fds);
      return true;
    }
    let sent = 0;
    if (this.#queue.empty) {
      sent = this.#transmit(bytes, 0, bytes.length, fds);
      if (sent < 0 || sent === bytes.length) return true;
    }
    this.#queue.push(bytes, sent, sent > 0 ? noFds : fds);
    const overfull = this.#queue.overfull(this.#limits);
    if (overfull !== undefined) {
      this.#fail(overfull, 'sending on');
      return true;
    }
    this.#ask();
    if (!this.#queue.high(this.#limits)) return true;
    this.#drainOwed = true;
    return false;
  }

  close(): void {
    this.#silent = true;
    this.removeAllListeners();
    this.#release();
  }

  closeWhenDrained(timeoutMs = 1000): void {
    if (this.#closing !== undefined) return;
    if (this.#queue.empty) {
      this.close();
      return;
    }
    this.#silent = true;
    this.removeAllListeners();
    this.#closing = setTimeout(() => this.close(), timeoutMs);
    this.#ask();
  }

  // ---- the native pass of a relay: see `relay/pass.ts` -------------------------------------------------------------

  /** `words[word]` is 1 while something is queued here or nobody takes it: nothing may be sent beside `send`. */
  watchBusy(words: Int32Array, word: number): void {
    this.#busy = { words, word };
    this.#noteBusy();
  }

  /** What comes in goes out at `to` natively, where it can. `intake` gives what was received and could not. */
  passTo(to: Stream, pass: number, way: number, intake: (fds: number[]) => number | undefined): void {
    if (this.carrier === undefined || to.carrier === undefined || this.#closed || to.#closed) return;
    this.#intake = intake;
    const [fromCarrier, toCarrier] = [CARRIERS.indexOf(this.carrier), CARRIERS.indexOf(to.carrier)];
    const most = Math.min(to.#limits.chunkBytes, MOST_PASSED_BYTES);
    native.passWay(pass, way, this.fd.fd, fromCarrier, to.fd.fd, toCarrier, most, readBuffer);
  }

  #noteBusy(): void {
    const busy = this.#busy;
    if (busy === undefined) return;
    const free = !this.#closed && !this.#deaf && this.#closing === undefined && this.#queue.empty;
    busy.words[busy.word] = free && this.#retry === undefined ? 0 : 1;
  }

  // ---- reading -----------------------------------------------------------------------------------------------------

  /** Asks the loop for exactly what there is something to do for. */
  #ask(): void {
    this.#noteBusy();
    if (this.#closed) return;
    let events = 0;
    if (this.#started && !this.#paused && !this.#ended && this.#closing === undefined) events |= POLL_READABLE;
    if (!this.#queue.empty && this.#retry === undefined && this.pollsForRoom) events |= POLL_WRITABLE;
    if (events === this.#asked) return;
    this.#asked = events;
    if (events === 0) this.#poll.stop();
    else this.#poll.start(events);
  }

  #onReady(events: number): void {
    // A poll error (0) says nothing itself: the system call below meets it and has the errno.
    const ready = events === 0 ? this.#asked : events;
    if ((ready & POLL_WRITABLE) !== 0 && !this.#queue.empty) this.#flush();
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
    let fds: OwnedFd[];
    try {
      length = this.#intake?.(numbers) ?? this.receive(readBuffer, numbers);
      fds = this.own(numbers);
    } catch (error) {
      if (isHangUp(error)) this.#onEnd();
      else this.#fail(error, 'receiving from');
      return;
    }
    if (length === -1) return;
    if (length === 0 && fds.length === 0) {
      this.#onEnd();
      return;
    }
    if (!this.emit('data', readBuffer.subarray(0, length), fds)) closeAll(fds);
  }

  #onEnd(): void {
    this.#ended = true;
    if (this.endsBothWays) this.#becomeDeaf();
    this.#ask();
    this.emit('end');
  }

  // ---- writing -----------------------------------------------------------------------------------------------------

  #check(bytes: Uint8Array, fds: readonly OwnedFd[]): void {
    try {
      if (fds.length > this.maxFds) {
        throw new RangeError(
          `${fds.length} descriptors in one send on ${this.what}, which carries at most ${this.maxFds}`,
        );
      }
      if (bytes.length === 0) throw new RangeError(`descriptors without a byte to carry them on ${this.what}`);
      this.checkSendable(fds);
    } catch (error) {
      closeAll(fds);
      throw error;
    }
  }

  /**
   * Sends what the kernel takes without waiting. The fds go with the first byte, and are closed once it has left. Returns
   * the bytes taken, or -1 where nobody takes any more, in which case the fds are closed too.
   */
  #transmit(bytes: Uint8Array, start: number, end: number, fds: readonly OwnedFd[]): number {
    const { chunkBytes } = this.#limits;
    let at = start;
    try {
      while (at < end) {
        const length = Math.min(end - at, chunkBytes);
        const numbers = at > start || fds.length === 0 ? noNumbers : fds.map(fd => fd.fd);
        const sent = this.transmit(bytes, at, length, numbers);
        if (sent < 0) {
          if (!this.pollsForRoom) this.#retryLater();
          break;
        }
        at += sent;
        if (sent < length) break;
      }
    } catch (error) {
      if (!this.#triesAgain(error)) {
        closeAll(fds);
        this.#onSendError(error);
        return -1;
      }
    }
    if (at > start) closeAll(fds);
    return at - start;
  }

  #flush(): void {
    for (let head = this.#queue.head; head !== undefined; head = this.#queue.head) {
      const sent = this.#transmit(head.bytes, head.start, head.end, head.fds);
      if (sent < 0) return;
      if (!this.#queue.sent(sent)) {
        this.#ask();
        return;
      }
    }
    if (this.#closing !== undefined) {
      this.close();
      return;
    }
    this.#ask();
    if (this.#drainOwed) {
      this.#drainOwed = false;
      this.emit('drain');
    }
  }

  /** Whether an error of a send says only "not now", and the stream waits a moment. */
  #triesAgain(error: unknown): boolean {
    if (!tooManyInFlight(error)) return false;
    this.#retryLater();
    return true;
  }

  #retryLater(): void {
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      if (this.pollsForRoom) this.#ask();
      else if (!this.#closed) this.#flush();
    }, IN_FLIGHT_PAUSE_MS);
  }

  // ---- its end -----------------------------------------------------------------------------------------------------

  #onSendError(error: unknown): void {
    if (this.#closing !== undefined) this.close();
    else if (this.saysGone(error)) this.#becomeDeaf();
    else this.#fail(error, 'sending on');
  }

  /** Nobody takes what is sent. Reading may go on. */
  #becomeDeaf(): void {
    this.#deaf = true;
    this.#queue.clear();
    this.#ask();
    if (!this.#drainOwed) return;
    this.#drainOwed = false;
    // Nothing waits any more, and a listener that waits for that may have stopped reading meanwhile and so not see the
    // end. Not within `send`, which must not run its caller's own listeners.
    queueMicrotask(() => {
      if (!this.#closed) this.emit('drain');
    });
  }

  /** Breaks the channel. The event comes after the caller's turn: `send` must not run its caller's own listeners. */
  #fail(cause: unknown, doing: string): void {
    this.#release();
    const error = cause instanceof Error ? cause : new Error(String(cause));
    error.message = `${doing} ${this.what}: ${error.message}`;
    queueMicrotask(() => this.#tell(error));
  }

  #tell(error: Error): void {
    // A listener that got the end knows already that nothing more comes.
    if (this.#ended || this.#silent) return;
    if (this.#held) {
      this.#unheard = error;
      return;
    }
    const handled = this.emit('error', error);
    this.removeAllListeners();
    if (!handled) throw error;
  }

  #release(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#noteBusy();
    clearTimeout(this.#closing);
    clearTimeout(this.#retry);
    this.#poll.close();
    this.#queue.clear();
    this.fd.close();
  }
}
