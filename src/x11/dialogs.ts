/**
 * Windows that belong to others (`WM_TRANSIENT_FOR`). A compositor takes another window for their parent only once that has a
 * picture (wlroots since 0.17), and sway looks for a parent at the moment when a window gets its first one: with a parent it
 * floats, and else it is tiled for good. X programs show both at once. So what belongs to a window that is on its way waits
 * until that one is there, and for a short time only: that may never be.
 */
import type { Toplevel } from './toplevel.js';
import type { XWindow } from './window.js';

/**
 * How long a dialog waits for the window that it belongs to, in milliseconds. One that has been mapped with it has its picture
 * within a few tens, and on a machine that is very busy within a second; nobody who waits for a dialog waits longer than that.
 */
export const DIALOG_MS = 2_000;

export interface DialogsOptions {
  readonly windows: ReadonlyMap<number, XWindow>;
  /** Of these, those that the server shows. */
  readonly shown: ReadonlySet<XWindow>;
  /** Shows the window, or tells the compositor anew what it is. */
  readonly update: (window: XWindow) => void;
  /** Default: {@link DIALOG_MS}. */
  readonly dialogMs?: number;
}

export class Dialogs {
  readonly #options: DialogsOptions;
  /** Those that wait; undefined: for long enough. */
  readonly #waiting = new Map<XWindow, NodeJS.Timeout | undefined>();

  constructor(options: DialogsOptions) {
    this.#options = options;
  }

  /** What it belongs to on the compositor's side; undefined: nothing, or nothing that is there. */
  parentOf(window: XWindow): Toplevel | undefined {
    const parent = this.#above(window)?.toplevel;
    return parent?.closed === false ? parent : undefined;
  }

  /** Whether it is to be shown later: it is updated then. */
  waits(window: XWindow): boolean {
    const above = this.#above(window);
    if (above?.mapped !== true || above.overrideRedirect || above.toplevel?.mapped === true) {
      this.#end(window);
      return false;
    }
    if (!this.#waiting.has(window)) {
      const timer = setTimeout(() => {
        this.#waiting.set(window, undefined);
        this.#options.update(window);
      }, this.#options.dialogMs ?? DIALOG_MS);
      this.#waiting.set(window, timer);
    }
    return this.#waiting.get(window) !== undefined;
  }

  /** The window has its first picture, which goes to the compositor within this turn. */
  shown(window: XWindow): void {
    queueMicrotask(() => {
      for (const each of [...this.#options.shown]) {
        if (this.#above(each) === window) this.#options.update(each);
      }
    });
  }

  /** The window is not shown any more. */
  forget(window: XWindow): void {
    this.#end(window);
    for (const each of [...this.#waiting.keys()]) if (this.#above(each) === window) this.#options.update(each);
  }

  #above(window: XWindow): XWindow | undefined {
    const above = this.#options.windows.get(window.properties.transientFor);
    return above === window ? undefined : above;
  }

  #end(window: XWindow): void {
    clearTimeout(this.#waiting.get(window));
    this.#waiting.delete(window);
  }
}
