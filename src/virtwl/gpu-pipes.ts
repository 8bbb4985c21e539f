/**
 * The pipes of one channel of a virtio_gpu device. The device carries no pipes but what is written into them, as messages
 * of the channel that a pipe was sent over. So the end that stays here is an end of an ordinary pipe, and this moves the
 * bytes between its other end and the channel.
 *
 * They share the channel: while a reader here does not take what came, nothing else comes over it. That ends: a reader
 * that takes nothing for {@link STALL_MS} has its pipe closed. And they end with the channel.
 */
import { isHangUp } from '../system/errno.js';
import { OwnedFd } from '../system/fd.js';
import { native, POLL_DISCONNECT, POLL_READABLE, POLL_WRITABLE, type Poll } from '../system/native.js';
import { encodeWrite, FIRST_PIPE_ID, FIRST_SOURCE_ID, MESSAGE_BYTES, WRITE_HEADER_BYTES } from './gpu-wire.js';

/**
 * How long a reader of a pipe may take nothing while what is for it fills its pipe and keeps up the channel, in
 * milliseconds.
 */
export const STALL_MS = 5000;
/** The pause before a WRITE is tried again that the device had no room for, in milliseconds. Nothing tells when it has. */
const ROOM_PAUSE_MS = 20;

/** How commands go to the device. */
export interface Commands {
  /** Whether one more may be given now. */
  hasRoom(): boolean;
  /** Gives the first `length` bytes, where there is room. */
  submit(command: Uint8Array, length: number): void;
}

/** Used during one call. */
const write = new Uint8Array(WRITE_HEADER_BYTES + MESSAGE_BYTES);

export class GpuPipes {
  /** Those that are read here, by number. */
  readonly #sinks = new Map<number, Sink>();
  /** Those that are written here. */
  readonly #sources = new Map<number, Source>();
  /** Called when one has ended by itself. */
  ended: (() => void) | undefined;
  #nextSink = FIRST_PIPE_ID;
  #nextSource = FIRST_SOURCE_ID;

  /** `stallMs`: default {@link STALL_MS}. */
  constructor(
    private readonly commands: Commands,
    private readonly stallMs = STALL_MS,
  ) {}

  /** Whether there is any. */
  get active(): boolean {
    return this.#sinks.size + this.#sources.size > 0;
  }

  /** The write end of a pipe is sent: the number that stands for it. `end` is lent. */
  sendWriteEnd(end: number): number {
    const id = this.#nextSink++;
    this.#addSink(id, native.dup(end));
    return id;
  }

  /** The read end of a pipe is sent: the number that stands for it. `end` is lent. */
  sendReadEnd(end: number): number {
    const id = this.#nextSource++;
    this.#addSource(id, native.dup(end));
    return id;
  }

  /** The host has a pipe that is written here: its write end, the caller's. */
  receiveWriteEnd(id: number): number {
    const [read, end] = native.pipe();
    this.#addSource(id, read);
    return end;
  }

  /** The host has a pipe that is read here: its read end, the caller's. */
  receiveReadEnd(id: number): number {
    const [read, end] = native.pipe();
    this.#addSink(id, end);
    return read;
  }

  /**
   * What the host sends of a pipe, and whether that was all; of a pipe that is written here, that nobody reads it. Returns
   * whether it has been dealt with; if not, `done` is called when it is, and nothing may be given meanwhile.
   */
  take(id: number, data: Uint8Array, hangUp: boolean, done: () => void): boolean {
    const source = this.#sources.get(id);
    if (source !== undefined) {
      if (hangUp) source.end();
      return true;
    }
    return this.#sinks.get(id)?.take(data, hangUp, done) ?? true;
  }

  close(): void {
    for (const pipe of [...this.#sinks.values(), ...this.#sources.values()]) pipe.close();
    this.#sinks.clear();
    this.#sources.clear();
  }

  #addSink(id: number, end: number): void {
    this.#sinks.get(id)?.close();
    const ended = (whole: boolean): void => {
      this.#sinks.delete(id);
      // A device of others may not understand it, and goes on sending.
      if (!whole && this.commands.hasRoom()) {
        encodeWrite(write, id, 0, true);
        this.commands.submit(write, WRITE_HEADER_BYTES);
      }
      this.ended?.();
    };
    this.#sinks.set(id, new Sink(new OwnedFd(end), this.stallMs, ended));
  }

  #addSource(id: number, end: number): void {
    this.#sources.get(id)?.close();
    const ended = (): void => {
      this.#sources.delete(id);
      this.ended?.();
    };
    this.#sources.set(id, new Source(id, new OwnedFd(end), this.commands, ended));
  }
}

/** A pipe whose bytes come from the host: its write end. */
class Sink {
  readonly #poll: Poll;
  /** What the reader has not taken, with whom to tell when it has. */
  #rest: { readonly data: Uint8Array; at: number; readonly hangUp: boolean; readonly done: () => void } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** Takes ownership of `fd`. `ended` is told once whether that was by the host's word; not after `close()`. */
  constructor(
    private readonly fd: OwnedFd,
    private readonly stallMs: number,
    private readonly ended: (whole: boolean) => void,
  ) {
    this.#poll = new native.Poll(fd.fd, () => (this.#rest === undefined ? this.#end(false) : this.#goOn()));
    // Tells when the last reader is gone.
    this.#poll.start(POLL_DISCONNECT);
  }

  take(data: Uint8Array, hangUp: boolean, done: () => void): boolean {
    const at = this.#write(data, 0);
    if (at < 0 || at === data.length) {
      if (at < 0 || hangUp) this.#end(at >= 0);
      return true;
    }
    this.#rest = { data: data.slice(), at, hangUp, done };
    this.#poll.start(POLL_WRITABLE);
    this.#alarm();
    return false;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#poll.close();
    this.fd.close();
  }

  #goOn(): void {
    const rest = this.#rest!;
    const at = this.#write(rest.data, rest.at);
    if (at >= 0 && at < rest.data.length) {
      if (at > rest.at) this.#alarm();
      rest.at = at;
      return;
    }
    clearTimeout(this.#timer);
    this.#rest = undefined;
    if (at < 0 || rest.hangUp) this.#end(at >= 0);
    else this.#poll.start(POLL_DISCONNECT);
    rest.done();
  }

  #alarm(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const rest = this.#rest!;
      this.#end(false);
      rest.done();
    }, this.stallMs);
  }

  /** How far it was written, or -1 where nobody reads. */
  #write(data: Uint8Array, from: number): number {
    let at = from;
    try {
      while (at < data.length) {
        const written = native.write(this.fd.fd, data, at, data.length - at);
        if (written < 0) break;
        at += written;
      }
      return at;
    } catch (error) {
      if (isHangUp(error)) return -1;
      throw error;
    }
  }

  #end(whole: boolean): void {
    if (this.#closed) return;
    this.close();
    this.ended(whole);
  }
}

/** A pipe whose bytes go to the host: its read end. */
class Source {
  readonly #poll: Poll;
  #timer: NodeJS.Timeout | undefined;

  /** Takes ownership of `fd`. `ended` is not told after `close()`. */
  constructor(
    private readonly id: number,
    private readonly fd: OwnedFd,
    private readonly commands: Commands,
    private readonly ended: () => void,
  ) {
    this.#poll = new native.Poll(fd.fd, () => this.#move());
    this.#poll.start(POLL_READABLE);
  }

  /** Nobody reads it any more. */
  end(): void {
    this.close();
    this.ended();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#poll.close();
    this.fd.close();
  }

  #move(): void {
    if (!this.commands.hasRoom()) {
      this.#poll.stop();
      this.#timer = setTimeout(() => this.#poll.start(POLL_READABLE), ROOM_PAUSE_MS);
      return;
    }
    const length = native.read(this.fd.fd, write.subarray(WRITE_HEADER_BYTES));
    if (length < 0) return;
    encodeWrite(write, this.id, length, length === 0);
    this.commands.submit(write, WRITE_HEADER_BYTES + length);
    if (length === 0) this.end();
  }
}
