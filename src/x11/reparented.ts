/**
 * Windows that were made within another and are put onto the X screen. The server says where, and not how large they are: it is
 * asked, and what their clients want of them meanwhile waits for that.
 */
import type { XConnection } from './connection.js';
import { geometry } from './replies.js';
import { getGeometry } from './requests.js';
import type { XWindow } from './window.js';

export class Reparented {
  /** What waits for the size of each. */
  readonly #asked = new Map<XWindow, (() => void)[]>();

  /** `known`: the window has its geometry. */
  constructor(
    private readonly x: Pick<XConnection, 'ask'>,
    private readonly known: (window: XWindow) => void,
  ) {}

  /** The window has come onto the screen. It is not shown before its size is known. */
  came(window: XWindow): void {
    const waiting: (() => void)[] = [];
    this.#asked.set(window, waiting);
    window.awaited += 1;
    const come = (): void => {
      window.awaited -= 1;
      if (!this.#asked.delete(window)) return;
      for (const each of waiting) each();
      this.known(window);
    };
    this.x.ask(
      getGeometry(window.id),
      reply => {
        window.geometry = geometry(reply);
        come();
      },
      come,
    );
  }

  /** Calls `then` once the window's size is known: now, mostly. */
  sized(window: XWindow, then: () => void): void {
    const waiting = this.#asked.get(window);
    if (waiting === undefined) then();
    else waiting.push(then);
  }

  /** The window is gone, or within another again: nothing waits any more. */
  forget(window: XWindow): void {
    this.#asked.delete(window);
  }
}
