/**
 * A channel is a byte stream that carries descriptors: a Unix socket (`unix-socket.ts`) or a virtio_wl context
 * (`virtwl/context.ts`). Relays, the broker and clients are written against this interface and know no transport. Both
 * are a `Stream` (`stream.ts`), so they behave alike but for what a peer's end means.
 *
 * Events (eventemitter3):
 * - `data(bytes, fds)`: bytes is valid only during the call (the buffer is used again); the fds become the listener's.
 *   Without a listener they are closed. At most one `data` per wake-up, so that a listener that answers at its end makes
 *   one send per batch.
 * - `end()`: no more data comes. On a Unix socket, the peer may only have stopped writing (SHUT_WR): what is sent is
 *   still delivered, until the kernel says EPIPE. virtio_wl knows no such half: its end (HUP) is that of both directions,
 *   so a context drops what is queued and what is sent from then on, in loopback as on /dev/wl0.
 * - `error(error)`: the channel broke, and is closed. It comes after the turn in which the channel broke. Neither `end`
 *   nor `error` comes twice, and never an `error` after an `end`. An error that has no listener is thrown: it becomes an
 *   uncaught exception of the process, as with the emitters of Node.js.
 * - `drain()`: what was queued has left after `send` had returned false, or nobody is there any more who would take it.
 */
import type { EventEmitter } from 'eventemitter3';
import type { OwnedFd } from './fd.js';

export interface ChannelEvents {
  data: (bytes: Uint8Array, fds: OwnedFd[]) => void;
  end: () => void;
  error: (error: Error) => void;
  drain: () => void;
}

export interface Channel extends Pick<EventEmitter<ChannelEvents>, 'on' | 'once' | 'off' | 'removeAllListeners'> {
  /** Most fds that one `send` takes. */
  readonly maxFds: number;
  /** Bytes accepted by `send` that the kernel has not taken yet. */
  readonly queuedBytes: number;
  readonly closed: boolean;
  /** Starts delivering. Nothing is read before. Does nothing on a channel that is closed. */
  start(): void;
  /**
   * Sends in order; what the kernel does not take now is copied and queued. Takes ownership of the fds in every case,
   * also when it throws, and closes them when they are sent. Throws a RangeError for more than `maxFds`, or for fds
   * without a byte to carry them, and a TypeError for an fd that this channel cannot carry (on a context: anything but
   * a vfd). Returns false when the queue is over its high-water mark: stop producing until `drain`. What is sent to a
   * peer that is gone, or on a closed channel, is dropped, and the answer is true.
   */
  send(bytes: Uint8Array, fds?: readonly OwnedFd[]): boolean;
  /** Stops and resumes reading (backpressure). A paused channel still notices its queue draining. */
  pause(): void;
  resume(): void;
  /** Idempotent; drops what is queued, closes queued fds. No event comes afterwards. */
  close(): void;
  /**
   * Sends what is queued, then closes; at most `timeoutMs` (default 1,000) later it closes all the same. No event comes
   * afterwards.
   */
  closeWhenDrained(timeoutMs?: number): void;
}
