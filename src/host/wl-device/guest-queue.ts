/**
 * What waits for the guest. Each vfd has a queue of its own, in order; the queues take turns, so that one that holds much
 * does not keep the others waiting. A step is taken as a whole or not at all: the announcements of vfds and the RECV
 * that brings them are one step, so the guest never knows half of it.
 *
 * Bounded in three ways. A queue with more than {@link MAX_SOURCE_BYTES} waiting is held, that is, its vfd is not read; so
 * are all of them when more than the limit waits in all. And a queue whose messages sit unread in
 * {@link MAX_UNREAD_BUFFERS} of the guest's buffers gets no further one until the driver gives some back.
 */
import { MAX_SOURCE_BYTES, MAX_UNREAD_BUFFERS } from './limits.js';

/** Bytes that a message costs beside its own: objects, and a place in a queue. */
const MESSAGE_OVERHEAD_BYTES = 128;

/** Messages that are given to the guest together. */
export interface Step {
  readonly messages: readonly Uint8Array[];
  /** Whether the last one is kept by the driver until a program has read it: true for RECV. */
  readonly read: boolean;
  /** Called when it is given; not called when it is dropped. */
  readonly given?: (() => void) | undefined;
  /** Called when it is dropped instead. */
  readonly dropped?: (() => void) | undefined;
}

/** What waits of one vfd. */
export class VfdQueue {
  readonly steps: Step[] = [];
  bytes = 0;
  /** Buffers of the guest with messages of this queue in them. */
  unread = 0;
  held = false;
  closed = false;

  constructor(
    private readonly all: GuestQueue,
    /** Told to stop (true) and to go on (false) reading. */
    readonly hold: (held: boolean) => void,
  ) {}

  push(step: Step): void {
    if (this.closed) {
      step.dropped?.();
      return;
    }
    this.all.pushed(this, step);
  }

  /** Drops what waits; nothing comes from this vfd any more. Idempotent. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.all.closed(this);
  }
}

/** A step on its way to the guest. */
export interface Taken {
  readonly messages: readonly Uint8Array[];
  /** Set where the last message's buffer comes back only when it was read: tell {@link GuestQueue.returned} then. */
  readonly from: VfdQueue | undefined;
}

export class GuestQueue {
  readonly #queues = new Set<VfdQueue>();
  /** Queues with something to give, in the order of their turns. */
  readonly #ready = new Set<VfdQueue>();
  /** Queues with something to give, and too many of the guest's buffers. */
  readonly #stuck = new Set<VfdQueue>();
  #bytes = 0;
  #full = false;

  /** `limit` in bytes; `wake` is called when something waits that did not before, or becomes stuck. */
  constructor(
    private readonly limit: number,
    private readonly wake: () => void,
  ) {}

  /** Bytes that wait, with what their administration costs. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Something can be taken, given room. */
  get waiting(): boolean {
    return this.#ready.size > 0;
  }

  /** Something could be taken if the driver gave back buffers of its vfd. */
  get stuck(): boolean {
    return this.#stuck.size > 0;
  }

  /** A queue for one more vfd. `hold` is told to stop (true) and to go on (false) reading. */
  open(hold: (held: boolean) => void): VfdQueue {
    const queue = new VfdQueue(this, hold);
    this.#queues.add(queue);
    queue.held = this.#full;
    if (queue.held) hold(true);
    return queue;
  }

  /** The next step that fits in `room` buffers of the guest. Where the next does not fit, none is taken. */
  take(room: number): Taken | undefined {
    const [queue] = this.#ready;
    if (queue === undefined) return undefined;
    const step = queue.steps[0]!;
    if (step.messages.length > room) return undefined;
    queue.steps.shift();
    this.#ready.delete(queue);
    if (step.read) queue.unread++;
    this.#readyIfSo(queue);
    this.#account(queue, -cost(step));
    step.given?.();
    return { messages: step.messages, from: step.read ? queue : undefined };
  }

  /** The driver has given back the buffer of a message that was read. */
  returned(queue: VfdQueue): void {
    queue.unread--;
    if (queue.closed) return;
    const waited = this.waiting;
    this.#readyIfSo(queue);
    if (!waited && this.waiting) this.wake();
  }

  /** Drops everything, for good. */
  close(): void {
    for (const queue of this.#queues) queue.close();
  }

  pushed(queue: VfdQueue, step: Step): void {
    const { waiting, stuck } = this;
    queue.steps.push(step);
    this.#readyIfSo(queue);
    this.#account(queue, cost(step));
    // Stuck, too: the device has to see when the driver gives buffers back.
    if ((!waiting && this.waiting) || (!stuck && this.stuck)) this.wake();
  }

  closed(queue: VfdQueue): void {
    this.#queues.delete(queue);
    this.#ready.delete(queue);
    this.#stuck.delete(queue);
    const steps = queue.steps.splice(0);
    this.#account(queue, -queue.bytes);
    for (const step of steps) step.dropped?.();
  }

  #readyIfSo(queue: VfdQueue): void {
    const full = queue.unread >= MAX_UNREAD_BUFFERS;
    if (queue.steps.length > 0 && !full) this.#ready.add(queue);
    else this.#ready.delete(queue);
    if (queue.steps.length > 0 && full) this.#stuck.add(queue);
    else this.#stuck.delete(queue);
  }

  #account(queue: VfdQueue, bytes: number): void {
    queue.bytes += bytes;
    this.#bytes += bytes;
    const full = this.#full ? this.#bytes > this.limit / 2 : this.#bytes > this.limit;
    if (full !== this.#full) {
      this.#full = full;
      for (const each of [...this.#queues]) this.#holdIfSo(each);
    } else if (!queue.closed) {
      this.#holdIfSo(queue);
    }
  }

  #holdIfSo(queue: VfdQueue): void {
    const held = this.#full || queue.bytes > MAX_SOURCE_BYTES;
    if (held === queue.held || queue.closed) return;
    queue.held = held;
    queue.hold(held);
  }
}

function cost(step: Step): number {
  return step.messages.reduce((sum, message) => sum + message.length + MESSAGE_OVERHEAD_BYTES, 0);
}
