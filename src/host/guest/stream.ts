/**
 * What a connection and a pipe have in common: reasons not to read, sends that wait for room, a hang-up that is told once,
 * and a close that still delivers what the guest sent before.
 *
 * What the guest sends is written at once; what is not taken is copied and waits. The guest's command is answered when
 * little enough waits ({@link MAX_UNSENT_BYTES}), so a server that does not read holds back its own senders only.
 */
import type { OwnedFd } from '../../system/fd.js';
import { MAX_UNSENT_BYTES } from './limits.js';

/** What becomes of a send: it was taken, or nobody takes it any more. */
export type SendResult = 'taken' | 'gone';
export type SendDone = (result: SendResult) => void;

/**
 * How long a connection or pipe that the guest has closed may take to deliver what the guest sent before, in
 * milliseconds. A socket of the kernel's would keep it as long as the reader lives.
 */
const LINGER_MS = 10_000;

/** What comes out of a connection or pipe. */
export interface StreamEvents {
  /** The bytes are valid during the call only; the fds become the listener's. */
  readonly arrived: (bytes: Uint8Array, fds: OwnedFd[]) => void;
  /** Nothing more comes, and nobody reads. Once. */
  readonly hungUp: () => void;
  /** What waited has left, or nobody wants it any more: commands that were put off can be handled. */
  readonly drained: () => void;
  /** It holds nothing any more: after `close()`, now or when it has delivered what waited. */
  readonly ended: () => void;
}

export abstract class HostStream {
  /** What waits of it for the guest, where that is kept: closed with it. */
  queue: { close(): void } | undefined;
  /** Descriptors that wait with the bytes, at most. */
  unsentFds = 0;
  protected hungUp = false;
  /** The guest has closed it. */
  protected closed = false;
  protected ended = false;
  protected started = false;
  #waiting: SendDone[] = [];
  /** Reasons not to read: each counts. */
  #holds = 0;
  #linger: NodeJS.Timeout | undefined;

  constructor(protected readonly events: StreamEvents) {}

  /** Bytes that wait for who reads. */
  abstract get unsentBytes(): number;

  /** Reads, or does not, as {@link reads} says now. */
  protected abstract watch(): void;

  /** The guest has closed it. Sees to it that `end()` is called when what waits has left; whether anything waits. */
  protected abstract deliverRest(): boolean;

  /** Closes what it has. Once. */
  protected abstract release(): void;

  /** Nothing is read before. */
  start(): void {
    this.started = true;
    this.watch();
  }

  /** Stops reading, or undoes one stop. */
  hold(held: boolean): void {
    this.#holds += held ? 1 : -1;
    this.watch();
  }

  /** The guest has closed it: what it sent still leaves. Idempotent. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.queue?.close();
    this.answer('gone');
    if (this.deliverRest()) this.#linger = setTimeout(() => this.end(), LINGER_MS);
    else this.end();
  }

  /** Drops everything at once. Idempotent. */
  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.closed = true;
    clearTimeout(this.#linger);
    this.queue?.close();
    this.answer('gone');
    this.release();
    this.events.ended();
  }

  protected get reads(): boolean {
    return this.started && this.#holds === 0 && !this.closed;
  }

  /** `done` is called when little enough waits. */
  protected taken(done: SendDone): void {
    if (this.unsentBytes > MAX_UNSENT_BYTES) this.#waiting.push(done);
    else done('taken');
  }

  /** Answers all that wait. */
  protected answer(result: SendResult): void {
    for (const done of this.#waiting.splice(0)) done(result);
  }
}
