/**
 * Connections that a server handed to the guest, and that the guest has not taken yet: it does so by an INIT with the id
 * that it was told. They end with the context over which they were announced.
 */
import type { OwnedFd } from '../../system/fd.js';
import { MAX_UNTAKEN } from './limits.js';
import type { Usage } from './usage.js';

interface Connection {
  readonly fd: OwnedFd;
  readonly context: number;
}

/** Ids, in turn, so that one that was taken does not come back at once. */
const IDS = 2 ** 30;

export class Untaken {
  readonly #connections = new Map<number, Connection>();
  #next = 0;

  constructor(private readonly usage: Usage) {}

  /** Keeps a connection for the guest; its id. Takes ownership of it, also when it throws `Refused`, or an Error. */
  add(fd: OwnedFd, context: number): number {
    try {
      const waiting = [...this.#connections.values()].filter(each => each.context === context).length;
      if (waiting >= MAX_UNTAKEN) throw new Error(`the guest has not taken ${waiting} connections`);
      this.usage.take('connection');
    } catch (error) {
      fd.close();
      throw error;
    }
    do this.#next = (this.#next + 1) % IDS;
    while (this.#next === 0 || this.#connections.has(this.#next));
    this.#connections.set(this.#next, { fd, context });
    return this.#next;
  }

  /** The connection of this id, the caller's and not counted any more; undefined where there is none. */
  take(id: number): OwnedFd | undefined {
    const connection = this.#connections.get(id);
    if (connection === undefined) return undefined;
    this.#connections.delete(id);
    this.usage.give('connection');
    return connection.fd;
  }

  /** Closes those that were announced over a context, or all. */
  drop(context?: number): void {
    for (const [id, connection] of this.#connections) {
      if (context === undefined || connection.context === context) this.take(id)?.close();
    }
  }
}
