/**
 * Applications that have connected to the proxy and have no link yet. The host's broker takes clients in order and lets a
 * bounded number of each VM wait, so where hundreds of programs start at once, as in a session, those that it would turn away
 * wait here for those before them.
 */
import type { UnixSocket } from '../system/unix-socket.js';

/**
 * Links of which the broker may not have given one to the compositor yet: half of what it lets wait of a VM
 * (`DEFAULT_MAX_WAITING_PER_VM`), since a VM can have other proxies beside this one.
 */
export const MAX_ARRIVING = 64;
/**
 * After how long one more has its turn while nobody is answered, in milliseconds: of a program that connects and says nothing
 * nobody knows whether it has arrived, and the others do not wait for it for ever.
 */
export const ARRIVAL_MS = 1_000;

export class Arrivals<Link extends object> {
  readonly #waiting: { readonly app: UnixSocket; readonly number: number }[] = [];
  /** In the order in which they were opened, from the last that was answered on. */
  readonly #arriving = new Set<Link>();
  #timer: NodeJS.Timeout | undefined;

  /** `open` makes a link for an application, whose socket it takes over; undefined: that has failed. */
  constructor(private readonly open: (app: UnixSocket, number: number) => Link | undefined) {}

  /** Applications that have no link. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Takes the socket over. */
  add(app: UnixSocket, number: number): void {
    this.#waiting.push({ app, number });
    this.#go();
  }

  /** The compositor has answered over a link: it has this one and all before it. */
  answered(link: Link): void {
    if (!this.#arriving.has(link)) return;
    for (const earlier of this.#arriving) {
      this.#arriving.delete(earlier);
      if (earlier === link) break;
    }
    this.#go();
  }

  ended(link: Link): void {
    if (this.#arriving.delete(link)) this.#go();
  }

  /** Closes those that wait. */
  close(): void {
    clearTimeout(this.#timer);
    for (const { app } of this.#waiting.splice(0)) app.close();
  }

  #go(): void {
    while (this.#waiting.length > 0 && this.#arriving.size < MAX_ARRIVING) this.#next();
    if (this.#waiting.length === 0) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
    } else {
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        this.#next();
        this.#go();
      }, ARRIVAL_MS);
    }
  }

  #next(): void {
    const { app, number } = this.#waiting.shift()!;
    const link = this.open(app, number);
    if (link !== undefined) this.#arriving.add(link);
  }
}
