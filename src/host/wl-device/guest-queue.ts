/**
 * What waits for the guest. Each vfd has a line of its own, in order; the lines take turns, so that one that has much to
 * say does not keep the others waiting. A step is taken as a whole or not at all: the announcements of vfds and the RECV
 * that brings them are one step, so the guest never knows half of it.
 *
 * Bounded in three ways. A line with more than {@link MAX_SOURCE_BYTES} waiting is held, that is, its vfd is not read; so
 * are all of them when more than the limit waits in all. And a line whose messages sit unread in
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

/** One vfd's place. */
export class Line {
  readonly steps: Step[] = [];
  bytes = 0;
  /** Buffers of the guest with messages of this line in them. */
  unread = 0;
  held = false;
  closed = false;

  constructor(
    private readonly queue: GuestQueue,
    /** Told to stop (true) and to go on (false) reading. */
    readonly hold: (held: boolean) => void,
  ) {}

  push(step: Step): void {
    if (this.closed) {
      step.dropped?.();
      return;
    }
    this.queue.pushed(this, step);
  }

  /** Drops what waits; nothing comes from this line any more. Idempotent. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.queue.closed(this);
  }
}

/** A step on its way to the guest. */
export interface Taken {
  readonly messages: readonly Uint8Array[];
  /** Set where the last message's buffer comes back only when it was read: tell {@link GuestQueue.returned} then. */
  readonly line: Line | undefined;
}

export class GuestQueue {
  readonly #lines = new Set<Line>();
  /** Lines with something to give, in the order of their turns. */
  readonly #ready = new Set<Line>();
  /** Lines with something to give, and too many of the guest's buffers. */
  readonly #stuck = new Set<Line>();
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

  /** Something could be taken if the driver gave back buffers of its line. */
  get stuck(): boolean {
    return this.#stuck.size > 0;
  }

  line(hold: (held: boolean) => void): Line {
    const line = new Line(this, hold);
    this.#lines.add(line);
    line.held = this.#full;
    if (line.held) hold(true);
    return line;
  }

  /** The next step that fits in `room` buffers of the guest. Where the next does not fit, none is taken. */
  take(room: number): Taken | undefined {
    const [line] = this.#ready;
    if (line === undefined) return undefined;
    const step = line.steps[0]!;
    if (step.messages.length > room) return undefined;
    line.steps.shift();
    this.#ready.delete(line);
    if (step.read) line.unread++;
    this.#readyIfSo(line);
    this.#account(line, -cost(step));
    step.given?.();
    return { messages: step.messages, line: step.read ? line : undefined };
  }

  /** The driver has given back the buffer of a message that was read. */
  returned(line: Line): void {
    line.unread--;
    if (line.closed) return;
    const waited = this.waiting;
    this.#readyIfSo(line);
    if (!waited && this.waiting) this.wake();
  }

  /** Drops everything, for good. */
  close(): void {
    for (const line of this.#lines) line.close();
  }

  pushed(line: Line, step: Step): void {
    const { waiting, stuck } = this;
    line.steps.push(step);
    this.#readyIfSo(line);
    this.#account(line, cost(step));
    // Stuck, too: somebody has to see when the driver gives buffers back.
    if ((!waiting && this.waiting) || (!stuck && this.stuck)) this.wake();
  }

  closed(line: Line): void {
    this.#lines.delete(line);
    this.#ready.delete(line);
    this.#stuck.delete(line);
    const steps = line.steps.splice(0);
    this.#account(line, -line.bytes);
    for (const step of steps) step.dropped?.();
  }

  #readyIfSo(line: Line): void {
    const full = line.unread >= MAX_UNREAD_BUFFERS;
    if (line.steps.length > 0 && !full) this.#ready.add(line);
    else this.#ready.delete(line);
    if (line.steps.length > 0 && full) this.#stuck.add(line);
    else this.#stuck.delete(line);
  }

  #account(line: Line, bytes: number): void {
    line.bytes += bytes;
    this.#bytes += bytes;
    const full = this.#full ? this.#bytes > this.limit / 2 : this.#bytes > this.limit;
    if (full !== this.#full) {
      this.#full = full;
      for (const each of [...this.#lines]) this.#holdIfSo(each);
    } else if (!line.closed) {
      this.#holdIfSo(line);
    }
  }

  #holdIfSo(line: Line): void {
    const held = this.#full || line.bytes > MAX_SOURCE_BYTES;
    if (held === line.held || line.closed) return;
    line.held = held;
    line.hold(held);
  }
}

function cost(step: Step): number {
  return step.messages.reduce((sum, message) => sum + message.length + MESSAGE_OVERHEAD_BYTES, 0);
}
