/**
 * Copies bytes from one descriptor to another until the first ends: clipboard pipes, between the pipe of an
 * application or compositor and that of virtio_wl.
 *
 * One buffer, filled only when it is empty, so a reader that never reads costs {@link SPLICE_BUFFER_BYTES} and no more.
 * Pipes and sockets are polled, and never waited for, whatever their other holders do to them; regular files, which are
 * always ready, have to belong to a user who may let us wait.
 */
import { codeOf } from './errno.js';
import { type OwnedFd } from './fd.js';
import { native, POLL_DISCONNECT, POLL_READABLE, POLL_WRITABLE, type Poll } from './native.js';

/** Bytes between the two ends: the capacity of a Linux pipe, so that one read can empty one. */
export const SPLICE_BUFFER_BYTES = 64 * 1024;

export interface SpliceOptions {
  /** Gives up when no byte moved for so long, in milliseconds; 0, the default, never does. */
  readonly idleTimeoutMs?: number;
}

/** How a splice ended. */
export interface SpliceResult {
  /** Bytes that were written to the destination. */
  readonly bytes: number;
  /** `end`: all was copied. `reader-gone`: nobody reads the destination any more. `closed`: by {@link Splice.close}. */
  readonly reason: 'end' | 'reader-gone' | 'idle' | 'closed' | 'error';
  /** Where the reason is `error`. */
  readonly error?: Error;
}

export interface Splice {
  /** Resolves once, when both descriptors are closed. Never rejects. */
  readonly done: Promise<SpliceResult>;
  /** Bytes written to the destination so far. */
  readonly bytes: number;
  /** Stops and closes both. Idempotent. */
  close(): void;
}

/** Starts copying from `from` to `to`. Takes ownership of both and closes them when it ends, however it ends. */
export function splice(from: OwnedFd, to: OwnedFd, options: SpliceOptions = {}): Splice {
  return new RunningSplice(from, to, options);
}

class RunningSplice implements Splice {
  readonly done: Promise<SpliceResult>;
  bytes = 0;
  #resolve!: (result: SpliceResult) => void;
  #over = false;
  #buffer = new Uint8Array(SPLICE_BUFFER_BYTES);
  #start = 0;
  #end = 0;
  /** Undefined for regular files, which cannot be polled and are always ready. */
  #fromPoll: Poll | undefined;
  #toPoll: Poll | undefined;
  #turn: NodeJS.Immediate | undefined;
  #idleTimer: NodeJS.Timeout | undefined;

  constructor(
    private readonly from: OwnedFd,
    private readonly to: OwnedFd,
    options: SpliceOptions,
  ) {
    this.done = new Promise(resolve => (this.#resolve = resolve));
    try {
      this.#fromPoll = this.#pollOf(from, 'read', () => this.#step());
      this.#toPoll = this.#pollOf(to, 'written', events => {
        // With nothing to write, the destination only tells that its reader went away (poll error, or disconnect).
        if (this.#start === this.#end && (events === 0 || (events & POLL_DISCONNECT) !== 0))
          this.#finish('reader-gone');
        else this.#step();
      });
      const idle = options.idleTimeoutMs ?? 0;
      if (idle > 0) this.#idleTimer = setTimeout(() => this.#finish('idle'), idle);
      this.#await();
    } catch (error) {
      this.#finish('error', error);
    }
  }

  close(): void {
    this.#finish('closed');
  }

  #pollOf(fd: OwnedFd, use: 'read' | 'written', callback: (events: number) => void): Poll | undefined {
    const { type, access } = fd.info();
    // The wrong end of a pipe would never be ready, and so never fail.
    if (access === (use === 'read' ? 'w' : 'r')) {
      throw Object.assign(new Error(`a splice was given a ${type} that cannot be ${use} (EBADF)`), { code: 'EBADF' });
    }
    if (type === 'regular') return undefined;
    return new native.Poll(fd.fd, callback);
  }

  /** One read or one write; what the other end then needs is waited for. */
  #step(): void {
    if (this.#over) return;
    if (this.#start === this.#end) {
      let length: number;
      try {
        length = native.read(this.from.fd, this.#buffer);
      } catch (error) {
        this.#finish(codeOf(error) === 'ECONNRESET' ? 'end' : 'error', error);
        return;
      }
      if (length === 0) {
        this.#finish('end');
        return;
      }
      this.#start = 0;
      this.#end = Math.max(length, 0);
    }
    if (this.#start < this.#end) {
      try {
        const written = native.write(this.to.fd, this.#buffer, this.#start, this.#end - this.#start);
        if (written > 0) {
          this.#start += written;
          this.bytes += written;
          this.#idleTimer?.refresh();
        }
      } catch (error) {
        const gone = ['EPIPE', 'ECONNRESET', 'ENODEV'].includes(codeOf(error) ?? '');
        this.#finish(gone ? 'reader-gone' : 'error', error);
        return;
      }
    }
    this.#await();
  }

  #await(): void {
    const full = this.#start < this.#end;
    this.#fromPoll?.start(full ? 0 : POLL_READABLE);
    this.#toPoll?.start(full ? POLL_WRITABLE : POLL_DISCONNECT);
    // One buffer a turn of the event loop, so that a large file lets others have theirs.
    if ((full ? this.#toPoll : this.#fromPoll) === undefined) this.#turn = setImmediate(() => this.#step());
  }

  #finish(reason: SpliceResult['reason'], cause?: unknown): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#idleTimer);
    clearImmediate(this.#turn);
    this.#fromPoll?.close();
    this.#toPoll?.close();
    this.from.close();
    this.to.close();
    const error = cause instanceof Error ? cause : new Error(String(cause));
    this.#resolve(reason === 'error' ? { bytes: this.bytes, reason, error } : { bytes: this.bytes, reason });
  }
}
