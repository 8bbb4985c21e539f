/** What it does when the user presses something on a title bar or an edge of ours, with a mouse, a finger or a pen. */
import { TitleBar } from './title-bar.js';
import type { TitleEdges } from './title-edges.js';
import type { TitlePart } from './title-picture.js';
import type { Press } from './user-input.js';

/** Codes of a mouse's buttons. The tip of a pen, and a finger, are the left one. */
export const [LEFT, RIGHT] = [0x110, 0x111];
/** Between the presses of a double click, in milliseconds. */
const DOUBLE_CLICK_MS = 400;

/** Where a pointer, a finger or a pen is. */
export interface Over {
  readonly on: TitleBar | TitleEdges;
  x: number;
  y: number;
  /** The button of a title bar that was pressed. */
  pressed?: TitlePart | undefined;
}

export class TitlePresses {
  #clicked: { readonly bar: TitleBar; readonly time: number } | undefined;

  /** `button`: a code; `time`: of the compositor's clock, in milliseconds. */
  press(over: Over, button: number, time: number, press: Press): void {
    const { on, x, y } = over;
    if (on instanceof TitleBar) {
      this.#pressBar(over, on, button, time, press);
      return;
    }
    const sides = on.sidesAt(x, y);
    if (button === LEFT && sides !== 0) on.owner.resize(press, sides);
  }

  release(over: Over, button: number): void {
    const { on, x, y, pressed } = over;
    over.pressed = undefined;
    if (button !== LEFT || pressed === undefined || !(on instanceof TitleBar) || pressed !== on.partAt(x, y)) return;
    if (pressed === 'close') on.owner.closeAsked();
    else if (pressed === 'maximize') on.owner.toggleMaximized();
    else if (pressed === 'minimize') on.owner.setMinimized();
  }

  #pressBar(over: Over, bar: TitleBar, button: number, time: number, press: Press): void {
    const { x, y } = over;
    const { owner } = bar;
    const part = bar.partAt(x, y);
    over.pressed = button === LEFT ? part : undefined;
    if (button === RIGHT) owner.menu(press, Math.floor(x), Math.floor(y));
    if (button !== LEFT || part !== 'title') return;
    if (this.#clicked?.bar === bar && time - this.#clicked.time < DOUBLE_CLICK_MS) {
      this.#clicked = undefined;
      owner.toggleMaximized();
      return;
    }
    this.#clicked = { bar, time };
    owner.move(press);
  }
}
