/**
 * A window of ours that covers the whole X screen, and is seen by nobody: while something is dragged over what is no X window, the
 * X client that drags it finds this one, and tells it all that it would tell a window of X.
 */
import type { XConnection } from '../connection.js';
import { changeWords, configureWindow, createCover, mapWindow, unmapWindow } from '../requests.js';
import { VERSION } from './messages.js';

/** The longest side that an X11 window can have, in pixels: as large as any screen. */
const SIDE = 32_767;

export class ScreenWindow {
  readonly id: number;
  #shown = false;

  /** `aware`, `atom`: the atoms XdndAware and ATOM. `made`: told before the X server hears of it. */
  constructor(
    private readonly x: XConnection,
    root: number,
    aware: number,
    atom: number,
    made: (id: number) => void,
  ) {
    this.id = x.newId();
    made(this.id);
    x.send(createCover(this.id, root, SIDE));
    x.send(changeWords(this.id, aware, atom, [VERSION]));
  }

  get shown(): boolean {
    return this.#shown;
  }

  show(): void {
    this.#shown = true;
    this.x.send(configureWindow(this.id, { stackMode: 0 }));
    this.x.send(mapWindow(this.id));
  }

  hide(): void {
    if (!this.#shown) return;
    this.#shown = false;
    this.x.send(unmapWindow(this.id));
  }
}
