/** What a guest has of a gpu device, counted, and refused beyond its limits. */
import type { GuestLimits } from '../guest/limits.js';
import { MAX_ATTACHMENTS, MAX_CONTEXTS } from './limits.js';
import { Response } from './wire.js';

/** What the guest asked for is not done: the response that says so, and for the log why. */
export class Refused extends Error {
  constructor(
    readonly response: Response,
    why: string,
  ) {
    super(why);
  }
}

export class Usage {
  readonly #counts = {
    context: 0,
    /** Resources, and memory that was announced and is none yet. */
    resource: 0,
    attachment: 0,
    channel: 0,
    connection: 0,
    pipe: 0,
  };
  readonly #limits: Readonly<Record<Counted, number>>;

  constructor(limits: GuestLimits) {
    this.#limits = {
      context: MAX_CONTEXTS,
      resource: limits.vfds,
      attachment: MAX_ATTACHMENTS,
      // Each is a context; how many of them may wait depends on the queue.
      channel: MAX_CONTEXTS,
      connection: limits.connections,
      pipe: limits.pipes,
    };
  }

  of(what: Counted): number {
    return this.#counts[what];
  }

  /** Counts one more. Throws {@link Refused} where that would be too many. */
  take(what: Counted): void {
    this.check(what);
    this.#counts[what]++;
  }

  /** Throws {@link Refused} where one more would be too many. */
  check(what: Counted): void {
    const count = this.#counts[what];
    if (count >= this.#limits[what]) throw new Refused(Response.OutOfMemory, `no further ${what}: ${count} are there`);
  }

  give(what: Counted, count = 1): void {
    this.#counts[what] -= count;
  }
}

type Counted = 'context' | 'resource' | 'attachment' | 'channel' | 'connection' | 'pipe';
