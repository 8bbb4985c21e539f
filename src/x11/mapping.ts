/**
 * Windows that X clients want shown. The X server leaves it to the window manager when that happens, and so it happens for a few
 * at a time: for each, Xwayland writes a picture's memory and more to its Wayland connection, and ends itself when that is
 * full. The next ones follow as fast as we read. What is more than may be shown at all, of one client or of all, waits until
 * others are gone; clients take turns.
 *
 * Windows that nobody manages (override-redirect) are shown by the server without a word to us.
 */
import type { XConnection } from './connection.js';
import type { Population } from './population.js';
import { getInputFocus } from './requests.js';
import type { Full } from './shares.js';
import type { XWindow } from './window.js';

/**
 * Windows that are shown by the X server, and of which we have not read the surface yet. Of an Xwayland whose Wayland connection
 * is not read at all, the socket's 208 KiB hold some hundred; programs open one or two at once.
 */
export const MAX_UNDER_WAY = 32;

export interface MappingOptions {
  readonly x: Pick<XConnection, 'ask'>;
  readonly population: Pick<Population, 'places' | 'full'>;
  /** Whether the server has named a surface of the window that we have not read. */
  readonly awaitsSurface: (window: XWindow) => boolean;
  /** Has the server show it. */
  readonly map: (window: XWindow) => void;
}

export class Mapping {
  readonly #options: MappingOptions;
  /** By client; of each, in the order in which it asked. */
  readonly #waiting = new Map<number, Set<XWindow>>();
  readonly #underWay = new Set<XWindow>();

  constructor(options: MappingOptions) {
    this.#options = options;
  }

  /** A client wants the window shown. */
  asked(window: XWindow): void {
    const client = this.#clientOf(window);
    const waiting = this.#waiting.get(client);
    if (waiting === undefined) this.#waiting.set(client, new Set([window]));
    else waiting.add(window);
    this.next();
  }

  /** The window's surface has come. */
  arrived(window: XWindow): void {
    if (this.#underWay.delete(window)) this.next();
  }

  /** A client says that it has withdrawn a window: it may not have been shown yet, and then the server does not say so. */
  withdrawn(window: XWindow | undefined): void {
    if (window?.mapped === false) this.forget(window);
  }

  /** The client does not want it shown any more, or it is gone. */
  forget(window: XWindow): void {
    this.#notWaiting(window);
    this.#underWay.delete(window);
    this.next();
  }

  /** There may be room for others: of each client that waits, one at a time. */
  next(): void {
    for (let more = true; more;) {
      more = false;
      for (const [window] of [...this.#waiting.values()]) {
        if (this.#underWay.size >= MAX_UNDER_WAY) return;
        const full = this.#full(window!);
        if (full === undefined) {
          this.#begin(window!);
          more = true;
        } else this.#options.population.full(window!.id, full);
      }
    }
  }

  #begin(window: XWindow): void {
    const { x, map, awaitsSurface } = this.#options;
    this.#notWaiting(window);
    this.#underWay.add(window);
    map(window);
    // By then the server has named its surface, where it has one.
    const answered = (): void => {
      if (!window.mapped || !awaitsSurface(window)) this.arrived(window);
    };
    x.ask(getInputFocus(), answered);
  }

  #full(window: XWindow): Full | undefined {
    const client = this.#clientOf(window);
    const coming = [...this.#underWay].filter(({ mapped }) => !mapped);
    const ofClient = coming.filter(each => this.#clientOf(each) === client).length;
    return this.#options.population.places.full(window.id, ofClient, coming.length);
  }

  #notWaiting(window: XWindow): void {
    const client = this.#clientOf(window);
    const waiting = this.#waiting.get(client);
    if (waiting?.delete(window) === true && waiting.size === 0) this.#waiting.delete(client);
  }

  #clientOf({ id }: XWindow): number {
    return this.#options.population.places.clientOf(id);
  }
}
