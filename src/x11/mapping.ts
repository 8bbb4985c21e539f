/**
 * Windows that X clients want shown. The X server leaves it to the window manager when that happens, and so it happens for a few
 * at a time: for each, Xwayland writes a picture's memory and more to its Wayland connection, and ends itself when that is
 * full. The next ones follow as fast as we read. What is more than may be shown at all waits until others are gone.
 *
 * Windows that nobody manages (override-redirect) are shown by the server without a word to us.
 */
import type { Log } from '../observe/log.js';
import type { XConnection } from './connection.js';
import { getInputFocus } from './requests.js';
import type { XWindow } from './window.js';

/**
 * Windows that are shown by the X server, and of which we have not read the surface yet. Of an Xwayland whose Wayland connection
 * is not read at all, the socket's 208 KiB hold some hundred; programs open one or two at once.
 */
export const MAX_UNDER_WAY = 32;

export interface MappingOptions {
  readonly x: Pick<XConnection, 'ask'>;
  readonly log: Pick<Log, 'warning'>;
  /** Windows that may be shown at a time. */
  readonly most: number;
  /** Those that are. */
  readonly shown: () => number;
  /** Whether the server has named a surface of the window that we have not read. */
  readonly awaitsSurface: (window: XWindow) => boolean;
  /** Has the server show it. */
  readonly map: (window: XWindow) => void;
}

export class Mapping {
  readonly #options: MappingOptions;
  /** In the order in which clients asked. */
  readonly #waiting = new Set<XWindow>();
  readonly #underWay = new Set<XWindow>();
  #told = false;

  constructor(options: MappingOptions) {
    this.#options = options;
  }

  /** A client wants the window shown. */
  asked(window: XWindow): void {
    this.#waiting.add(window);
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
    this.#waiting.delete(window);
    this.#underWay.delete(window);
    this.next();
  }

  /** There are more windows than may be shown. Told once for many. */
  full(): void {
    if (this.#told) return;
    this.#told = true;
    const { most, log } = this.#options;
    log.warning(`X11 programs show ${most} windows: others are not shown before some of these are closed`);
  }

  /** There may be room for others. */
  next(): void {
    const { x, most, shown, map, awaitsSurface } = this.#options;
    if (shown() < most / 2) this.#told = false;
    for (const window of this.#waiting) {
      if (this.#underWay.size >= MAX_UNDER_WAY) return;
      const coming = [...this.#underWay].filter(({ mapped }) => !mapped).length;
      if (shown() + coming >= most) {
        this.full();
        return;
      }
      this.#waiting.delete(window);
      this.#underWay.add(window);
      map(window);
      // By then the server has named its surface, where it has one.
      const answered = (): void => {
        if (!window.mapped || !awaitsSurface(window)) this.arrived(window);
      };
      x.ask(getInputFocus(), answered);
    }
  }
}
