/**
 * The keyboard and the pointer, among X windows: the compositor says which window is active, and the X server and that window's client are
 * told. Where none of ours is, no X window has the focus; that is said only once no other follows in the same batch.
 *
 * X lets any client take the keyboard for a window of its own. It is given back: what the user types is for the window that
 * the compositor shows as active. Among its own windows a client may choose; Java's do.
 */
import type { Atoms } from './atoms.js';
import type { XConnection } from './connection.js';
import { clientMessage } from './events.js';
import { configureWindow, CURRENT_TIME, NONE, sendEvent, setInputFocus, type Configuration } from './requests.js';
import type { XScreen } from './screen.js';
import type { XWindow } from './window.js';

/** Modes and details of FocusIn that say nothing of who has the focus: a grab begins; the pointer is in the window. */
const GRAB = 1;
const POINTER = 5;

export class Focus {
  #window: XWindow | undefined;
  /** The last one that had it, and is still there. */
  #last: XWindow | undefined;
  /** What the X server was told last; `gone`: that window has gone, and nothing was told since. */
  #told: XWindow | 'gone' | undefined;
  #telling = false;
  /** The window that the pointer was in last. */
  pointed: XWindow | undefined;

  constructor(
    private readonly x: XConnection,
    private readonly atoms: Atoms,
    private readonly screen: XScreen,
    /** The bits of a window's number that its client chooses. */
    private readonly idMask: number,
  ) {}

  /** The window with the focus, or that had it last. */
  get latest(): XWindow | undefined {
    return this.#window ?? this.#last;
  }

  get window(): XWindow | undefined {
    return this.#window;
  }

  /** The compositor has made the window active, or not active any more. */
  set(window: XWindow, active: boolean): void {
    if (active) this.#window = this.#last = window;
    else if (this.#window === window) this.#window = undefined;
    this.#tellSoon();
  }

  /** The X server has given the focus to a managed window, by our word or a client's. */
  given(window: XWindow, mode: number, detail: number): void {
    const told = this.#told;
    if (told === undefined || told === 'gone' || told === window || mode === GRAB || detail === POINTER) return;
    if (this.#window === told && ((told.id ^ window.id) & ~this.idMask) !== 0) this.#give(told);
  }

  gone(window: XWindow): void {
    if (this.pointed === window) this.pointed = undefined;
    if (this.#last === window) this.#last = undefined;
    if (this.#told === window) this.#told = 'gone';
    if (this.#window === window) this.set(window, false);
  }

  /**
   * Where a window goes that is shown, or gets the keyboard. The X server finds the window under the pointer by places, where
   * windows of ours may lie above each other: so none goes above the one that the pointer is in.
   */
  stacking(window: XWindow): Configuration {
    const { pointed } = this;
    return pointed === undefined || pointed === window ? { stackMode: 0 } : { sibling: pointed.id, stackMode: 1 };
  }

  #tellSoon(): void {
    if (this.#telling) return;
    this.#telling = true;
    queueMicrotask(() => {
      this.#telling = false;
      if (this.#window === this.#told) return;
      this.#told = this.#window;
      this.#tell(this.#window);
    });
  }

  #tell(window: XWindow | undefined): void {
    const { x } = this;
    this.screen.active(window?.id ?? NONE);
    if (window === undefined) {
      x.send(setInputFocus(NONE));
      return;
    }
    x.send(configureWindow(window.id, this.stacking(window)));
    this.#give(window);
  }

  #give(window: XWindow): void {
    const { x, atoms } = this;
    const { acceptsInput, protocols } = window.properties;
    const takes = protocols.includes(atoms.WM_TAKE_FOCUS);
    // One that wants no input, an on-screen keyboard say, types into the window that had the focus before.
    if (acceptsInput) x.send(setInputFocus(window.id));
    if (takes) {
      x.send(sendEvent(window.id, clientMessage(window.id, atoms.WM_PROTOCOLS, [atoms.WM_TAKE_FOCUS, CURRENT_TIME])));
    }
  }
}
