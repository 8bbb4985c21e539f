/** What waits for servers, of all connections and pipes of a guest: so much, and its device handles no further command. */
import { MAX_ALL_UNSENT_BYTES, MAX_ALL_UNSENT_FDS } from './limits.js';
import type { HostStream } from './stream.js';

export class Unsent {
  /** Those that may have something unsent. */
  readonly #streams = new Set<HostStream>();

  /** It is about to be sent something, which may have to wait. */
  mayWait(stream: HostStream): void {
    this.#streams.add(stream);
  }

  /** It has ended. */
  forget(stream: HostStream): void {
    this.#streams.delete(stream);
  }

  /** Whether more waits than may. */
  get over(): boolean {
    let bytes = 0;
    let fds = 0;
    for (const stream of this.#streams) {
      if (stream.unsentBytes === 0) this.#streams.delete(stream);
      bytes += stream.unsentBytes;
      fds += stream.unsentFds;
    }
    return bytes > MAX_ALL_UNSENT_BYTES || fds > MAX_ALL_UNSENT_FDS;
  }
}
