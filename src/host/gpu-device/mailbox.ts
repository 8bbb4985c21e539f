/**
 * What waits for one context, and its POLLs that wait for it. A context has one ring with room for one message: it is
 * written only when a POLL waits, which is answered then, and not touched until the next POLL says that it was read.
 *
 * What is not fetched is bounded: beyond {@link MAX_CONTEXT_QUEUED_BYTES} a context's sources are not read. Where too much
 * waits of all contexts together, those are not read of which anything waits: programs that do not poll shall not keep the
 * others from what is theirs.
 */
import type { HostStream } from '../guest/stream.js';
import { GuestFault } from '../vhost-user/guest-memory.js';
import { MAX_CONTEXT_QUEUED_BYTES, MAX_POLLS_PER_CONTEXT } from './limits.js';
import { Refused } from './usage.js';
import { Response } from './wire.js';

/** Bytes that a message costs beside its own: objects, and a place in a queue. */
const MESSAGE_OVERHEAD_BYTES = 128;

/** What waits of all contexts of a guest. */
export class Backlog {
  /** POLLs that wait. */
  polls = 0;
  /** Those of them that are not the only one of their context. */
  further = 0;
  #bytes = 0;
  #full = false;
  readonly #boxes = new Set<Mailbox>();

  /** `limit` in bytes; `pollLimit`: channels at a time, and further POLLs beside the one that each may have. */
  constructor(
    private readonly limit: number,
    readonly pollLimit: number,
  ) {}

  get bytes(): number {
    return this.#bytes;
  }

  get full(): boolean {
    return this.#full;
  }

  add(box: Mailbox): void {
    this.#boxes.add(box);
  }

  remove(box: Mailbox): void {
    this.#boxes.delete(box);
  }

  account(bytes: number): void {
    this.#bytes += bytes;
    const full = this.#full ? this.#bytes > this.limit / 2 : this.#bytes > this.limit;
    if (full === this.#full) return;
    this.#full = full;
    for (const box of [...this.#boxes]) box.holdIfSo();
  }
}

interface Message {
  readonly bytes: Uint8Array;
  /** Called when it was given to the guest. */
  readonly given: (() => void) | undefined;
}

export interface MailboxOptions {
  readonly backlog: Backlog;
  /** Writes the ring; false while the device is stopped. Throws {@link GuestFault} where there is no ring any more. */
  readonly write: (message: Uint8Array) => boolean;
  /** Whether POLLs hold more of the queue than they may. */
  readonly overPolled: () => boolean;
  /** The ring could not be written: nothing reaches the guest any more. The mailbox has closed itself. */
  readonly broken: (why: string) => void;
}

export class Mailbox {
  readonly #streams = new Set<HostStream>();
  #messages: Message[] = [];
  #bytes = 0;
  #polls: ((response: Response) => void)[] = [];
  #held = false;
  #closed = false;

  constructor(private readonly options: MailboxOptions) {
    options.backlog.add(this);
    this.holdIfSo();
  }

  /** Reads this one only while there is room. */
  add(stream: HostStream): void {
    this.#streams.add(stream);
    if (this.#held) stream.hold(true);
  }

  remove(stream: HostStream): void {
    this.#streams.delete(stream);
  }

  /** A message for the guest; `given` is called when it has it. */
  push(bytes: Uint8Array, given?: () => void): void {
    if (this.#closed) return;
    this.#messages.push({ bytes, given });
    this.#account(bytes.length + MESSAGE_OVERHEAD_BYTES);
    this.deliver();
  }

  /**
   * A POLL of the guest; `answer` is called once, when a message is in the ring, or when the mailbox is closed.
   *
   * @throws Refused where too many wait already
   */
  poll(answer: (response: Response) => void): void {
    if (this.#closed) throw new Refused(Response.InvalidContext, 'a POLL of a channel that has ended');
    this.#polls.push(answer);
    this.#counted(1);
    this.deliver();
    // One that was answered costs nothing, and each context may have one.
    if (!this.#polls.includes(answer) || this.#polls.length === 1) return;
    const mine = this.#polls.length > MAX_POLLS_PER_CONTEXT;
    if (!mine && !this.options.overPolled()) return;
    this.#polls.pop();
    this.#counted(-1);
    const count = mine ? `${this.#polls.length} of this context` : `${this.options.backlog.polls} of the VM`;
    throw new Refused(Response.OutOfMemory, `no further POLL: ${count} wait`);
  }

  /** Gives the guest what can be given now. */
  deliver(): void {
    while (this.#polls.length > 0) {
      const next = this.#messages[0];
      if (next === undefined) return;
      try {
        if (!this.options.write(next.bytes)) return;
      } catch (error) {
        if (!(error instanceof GuestFault)) throw error;
        this.close(Response.Unspecified);
        this.options.broken(error.message);
        return;
      }
      const answer = this.#polls.shift()!;
      this.#counted(-1);
      this.#messages.shift();
      this.#account(-next.bytes.length - MESSAGE_OVERHEAD_BYTES);
      next.given?.();
      answer(Response.Ok);
    }
  }

  /** Drops what waits, and answers all POLLs. Idempotent. */
  close(response: Response): void {
    if (this.#closed) return;
    this.#closed = true;
    const { backlog } = this.options;
    backlog.remove(this);
    this.#messages = [];
    this.#account(-this.#bytes);
    this.#streams.clear();
    const polls = this.#polls.splice(0);
    this.#counted(-polls.length);
    for (const answer of polls) answer(response);
  }

  /** Reads the sources, or does not, as it is now. */
  holdIfSo(): void {
    const held = this.#bytes > (this.options.backlog.full ? 0 : MAX_CONTEXT_QUEUED_BYTES);
    if (held === this.#held || this.#closed) return;
    this.#held = held;
    for (const stream of [...this.#streams]) stream.hold(held);
  }

  /** So many POLLs have been added. */
  #counted(polls: number): void {
    const { backlog } = this.options;
    const now = this.#polls.length;
    backlog.polls += polls;
    backlog.further += Math.max(0, now - 1) - Math.max(0, now - polls - 1);
  }

  #account(bytes: number): void {
    this.#bytes += bytes;
    this.options.backlog.account(bytes);
    this.holdIfSo();
  }
}
