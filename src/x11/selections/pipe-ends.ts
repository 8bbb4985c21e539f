/**
 * Ends of the pipes that Wayland programs exchange data by. They are polled and never waited for: who is at the other end
 * may be anybody. Regular files, which are always ready, get a turn of the event loop for each piece.
 */
import type { OwnedFd } from '../../system/fd.js';
import { native, POLL_DISCONNECT, POLL_READABLE, POLL_WRITABLE, type Poll } from '../../system/native.js';

abstract class PipeEnd {
  readonly #poll: Poll | undefined;
  #turn: NodeJS.Immediate | undefined;

  /** Takes ownership of the descriptor, also when it throws. */
  constructor(protected readonly fd: OwnedFd) {
    try {
      this.#poll = fd.info().type === 'regular' ? undefined : new native.Poll(fd.fd, events => this.ready(events));
    } catch (error) {
      fd.close();
      throw error;
    }
  }

  get closed(): boolean {
    return this.fd.closed;
  }

  /** Idempotent. Nothing is called back any more. */
  close(): void {
    if (this.fd.closed) return;
    clearImmediate(this.#turn);
    this.#poll?.close();
    this.fd.close();
  }

  /** `events` 0: in error. */
  protected abstract ready(events: number): void;

  /** Waits for `events`. */
  protected wait(events: number): void {
    if (this.#poll !== undefined) this.#poll.start(events);
    else if ((events & (POLL_READABLE | POLL_WRITABLE)) !== 0) this.#turn = setImmediate(() => this.ready(events));
  }
}

/** Reads when it is asked to. */
export class PipeReader extends PipeEnd {
  #into: Uint8Array | undefined;
  #come: ((length: number) => void) | undefined;

  /** Reads once, as soon as there is something. `come`: that many bytes are in `into`; 0: it has ended. */
  read(into: Uint8Array, come: (length: number) => void): void {
    this.#into = into;
    this.#come = come;
    this.wait(POLL_READABLE);
  }

  protected ready(): void {
    const [into, come] = [this.#into, this.#come];
    if (into === undefined || come === undefined) return;
    let length: number;
    try {
      length = native.read(this.fd.fd, into);
    } catch {
      length = 0; // who writes has gone
    }
    if (length < 0) return;
    this.#into = this.#come = undefined;
    this.wait(0);
    come(length);
  }
}

/** Writes one piece after the other. */
export class PipeWriter extends PipeEnd {
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #written: (() => void) | undefined;

  /** `gone`: nobody reads any more. `moved`: some bytes were taken. */
  constructor(
    fd: OwnedFd,
    private readonly gone: () => void,
    private readonly moved: () => void,
  ) {
    super(fd);
    this.wait(POLL_DISCONNECT);
  }

  /** Writes all of it, and calls `written` then; not before that is there another. The bytes are lent until then. */
  write(bytes: Uint8Array, written: () => void): void {
    this.#bytes = bytes;
    this.#at = 0;
    this.#written = written;
    this.wait(POLL_WRITABLE);
  }

  protected ready(events: number): void {
    const left = this.#bytes.length - this.#at;
    if (this.#written === undefined) {
      if (events === 0 || (events & POLL_DISCONNECT) !== 0) this.gone();
      return;
    }
    try {
      const taken = left === 0 ? 0 : native.write(this.fd.fd, this.#bytes, this.#at, left);
      if (taken > 0) {
        this.#at += taken;
        this.moved();
      }
    } catch {
      this.gone();
      return;
    }
    if (this.#at < this.#bytes.length) {
      this.wait(POLL_WRITABLE);
      return;
    }
    const written = this.#written;
    this.#written = undefined;
    this.wait(POLL_DISCONNECT);
    written();
  }
}
