/**
 * Who holds memory that was given away: the kernel says when no process holds a piece any more, by descriptor, mapping
 * or message. All budgets of a process share one watch, since a user may have but some hundred
 * (fs.fanotify.max_user_groups); it is there as long as a budget is.
 */
import { OwnedFd } from '../system/fd.js';
import { native, POLL_READABLE, type Poll } from '../system/native.js';

let shared: MemoryWatch | undefined;

export class MemoryWatch {
  readonly #fd: OwnedFd;
  readonly #poll: Poll;
  readonly #pieces = new Map<string, () => void>();
  #users = 0;

  /** The process's watch; {@link release} it. Throws where the kernel has none. */
  static acquire(): MemoryWatch {
    shared ??= new MemoryWatch();
    shared.#users += 1;
    return shared;
  }

  private constructor() {
    this.#fd = new OwnedFd(native.memoryWatch());
    this.#poll = new native.Poll(this.#fd.fd, () => this.look());
    this.#poll.start(POLL_READABLE);
    this.#poll.unref();
  }

  /** Calls `gone` once, when nobody holds the memfd any more: at the latest in the next {@link look} after that. */
  add(memory: OwnedFd, gone: () => void): void {
    this.#pieces.set(native.watchMemory(this.#fd.fd, memory.fd), gone);
  }

  /** Takes in what has gone up to now. */
  look(): void {
    for (const key of native.goneMemory(this.#fd.fd)) {
      const gone = this.#pieces.get(key);
      this.#pieces.delete(key);
      gone?.();
    }
  }

  /** To be called once by each who acquired it. */
  release(): void {
    this.#users -= 1;
    if (this.#users > 0) return;
    this.#poll.close();
    this.#fd.close();
    shared = undefined;
  }
}
