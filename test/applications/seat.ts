/**
 * The person in front of a compositor: a keyboard of the common layout, with modifiers and function keys, and a pointer.
 * What they do passes through here as events of virtual devices, to the compositor itself.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { Display } from '../../src/wayland-client/display.js';
import type { WaylandObject } from '../../src/wayland-client/wayland-object.js';

/** The compositor's own xkbcommon finds what this includes. `layouts`: the first, and others behind it, `us+de:2` say. */
const keymapOf = (layouts: string): string => `xkb_keymap {
xkb_keycodes { include "evdev+aliases(qwerty)" };
xkb_types { include "complete" };
xkb_compat { include "complete" };
xkb_symbols { include "pc+${layouts}+inet(evdev)" };
};`;
/** wl_keyboard.keymap_format.xkb_v1 */
const FORMAT_XKB_V1 = 1;

/** The kernel's codes of keys with names, beside those of characters. */
const NAMED: Readonly<Record<string, number>> = {
  ...{ Escape: 1, BackSpace: 14, Tab: 15, Return: 28, space: 57, Menu: 127 },
  ...{ Home: 102, Up: 103, Page_Up: 104, Left: 105, Right: 106, End: 107, Down: 108, Page_Down: 109 },
  ...{ Insert: 110, Delete: 111, F11: 87, F12: 88 },
  ...Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`F${i + 1}`, 59 + i])),
};
/** Code and bit in the modifiers' mask. */
const MODIFIERS: Readonly<Record<string, readonly [code: number, mask: number]>> = {
  Shift: [42, 1],
  Ctrl: [29, 4],
  Alt: [56, 8],
  Logo: [125, 64],
};

/** Characters of keys that lie beside each other: the first one's code, and what they give without and with shift. */
const ROWS: readonly (readonly [first: number, plain: string, shifted: string])[] = [
  [2, '1234567890-=', '!@#$%^&*()_+'],
  [16, 'qwertyuiop[]', 'QWERTYUIOP{}'],
  [30, "asdfghjkl;'`", 'ASDFGHJKL:"~'],
  [43, '\\zxcvbnm,./', '|ZXCVBNM<>?'],
];
const CHARACTERS = new Map<string, { readonly code: number; readonly shift: boolean }>([
  ['\n', { code: 28, shift: false }],
  [' ', { code: 57, shift: false }],
  ['\t', { code: 15, shift: false }],
]);
for (const [first, plain, shifted] of ROWS) {
  Array.from(plain).forEach((character, i) => CHARACTERS.set(character, { code: first + i, shift: false }));
  Array.from(shifted).forEach((character, i) => CHARACTERS.set(character, { code: first + i, shift: true }));
}

/** Buttons of a mouse, by the kernel's codes. */
const BUTTONS = { left: 0x110, right: 0x111, middle: 0x112 } as const;
export type Button = keyof typeof BUTTONS;

/** Between two steps of a pointer or two keys, in milliseconds: programs tell a person from a jump by it. */
const STEP_MS = 15;
/** Steps of a drag. Toolkits begin one after some pixels, and look for a target with each motion. */
const DRAG_STEPS = 12;

export class Seat {
  readonly #keyboard: WaylandObject<'zwp_virtual_keyboard_v1'>;
  readonly #pointer: WaylandObject<'zwlr_virtual_pointer_v1'> | undefined;
  #at = { x: 0, y: 0 };

  private constructor(
    private readonly display: Display,
    /** What positions are fractions of: the size of the outputs together, in the compositor's units. */
    public extent: { readonly width: number; readonly height: number },
    hasPointer: boolean,
  ) {
    const seat = display.bindOnce('wl_seat', 1);
    this.#keyboard = display.bindOnce('zwp_virtual_keyboard_manager_v1', 1).create('create_virtual_keyboard', seat);
    if (hasPointer)
      this.#pointer = display.bindOnce('zwlr_virtual_pointer_manager_v1', 1).create('create_virtual_pointer', seat);
    this.#exchange('us');
  }

  /** Sits down at a compositor, which has to have both kinds of virtual devices. */
  static take(path: string, extent: { width: number; height: number }): Promise<Seat> {
    return Seat.#take(path, extent, true);
  }

  /** With a keyboard alone: no pointer is shown. */
  static takeKeyboard(path: string): Promise<Seat> {
    return Seat.#take(path, { width: 1, height: 1 }, false);
  }

  static async #take(path: string, extent: { width: number; height: number }, hasPointer: boolean): Promise<Seat> {
    const display = await Display.connect(path);
    const seat = new Seat(display, extent, hasPointer);
    await display.roundtrip();
    return seat;
  }

  close(): void {
    this.display.close();
  }

  /**
   * Exchanges the keyboard for one of other layouts, of which the first is chosen: `de`, or `us+de:2` for two. What is typed
   * from then on is by the keys of `us`.
   */
  async exchangeKeyboard(layouts: string): Promise<void> {
    this.#exchange(layouts);
    await this.display.roundtrip();
  }

  /** Chooses a layout of the keyboard's, from 0. */
  async chooseLayout(layout: number): Promise<void> {
    this.#keyboard.request('modifiers', 0, 0, 0, layout);
    await this.display.roundtrip();
  }

  /** Presses a key, perhaps with others held: `Return`, `a`, `Ctrl+Shift+c`. */
  async key(chord: string): Promise<void> {
    const parts = chord === '+' ? ['+'] : chord.split('+');
    const last = parts.pop()!;
    const character = CHARACTERS.get(last);
    const code = NAMED[last] ?? character?.code;
    if (code === undefined) throw new RangeError(`there is no key "${last}" on this keyboard`);
    const held = parts.map(name => MODIFIERS[name]!);
    if (NAMED[last] === undefined && character?.shift === true) held.push(MODIFIERS.Shift!);
    const mask = held.reduce((all, [, bit]) => all | bit, 0);
    for (const [modifier] of held) this.#press(modifier, true);
    if (mask !== 0) this.#keyboard.request('modifiers', mask, 0, 0, 0);
    this.#press(code, true);
    this.#press(code, false);
    for (const [modifier] of [...held].reverse()) this.#press(modifier, false);
    if (mask !== 0) this.#keyboard.request('modifiers', 0, 0, 0, 0);
    await this.display.roundtrip();
    await pause(STEP_MS);
  }

  async type(text: string): Promise<void> {
    for (const character of text) await this.key(character === '\n' ? 'Return' : character);
  }

  /** Puts the pointer at a position of the outputs. */
  async move(x: number, y: number): Promise<void> {
    this.#at = { x, y };
    const { width, height } = this.extent;
    this.#pointer!.request('motion_absolute', now(), x, y, width, height);
    await this.#frame();
  }

  /** Moves it by so many units, as a mouse does. */
  async push(dx: number, dy: number): Promise<void> {
    this.#pointer!.request('motion', now(), dx, dy);
    await this.#frame();
  }

  async press(button: Button = 'left'): Promise<void> {
    this.#pointer!.request('button', now(), BUTTONS[button], 1);
    await this.#frame();
  }

  async release(button: Button = 'left'): Promise<void> {
    this.#pointer!.request('button', now(), BUTTONS[button], 0);
    await this.#frame();
  }

  async click(x: number, y: number, button: Button = 'left'): Promise<void> {
    await this.move(x, y);
    await this.press(button);
    await this.release(button);
  }

  /** A double click, as quick as a person's by its times, however long it takes to come. */
  async clickTwice(x: number, y: number): Promise<void> {
    await this.move(x, y);
    const began = now();
    for (const [i, down] of [1, 0, 1, 0].entries()) {
      this.#pointer!.request('button', began + 30 * i, BUTTONS.left, down);
      this.#pointer!.request('frame');
    }
    await this.#frame();
  }

  /** Moves in a straight line, as far as it is in steps. */
  async glide(x: number, y: number): Promise<void> {
    const from = this.#at;
    for (let i = 1; i <= DRAG_STEPS; i++) {
      const part = i / DRAG_STEPS;
      await this.move(Math.round(from.x + (x - from.x) * part), Math.round(from.y + (y - from.y) * part));
    }
  }

  async scroll(lines: number): Promise<void> {
    this.#pointer!.request('axis_source', 0);
    this.#pointer!.request('axis', now(), 0, lines * 15);
    await this.#frame();
  }

  #exchange(layouts: string): void {
    const text = Buffer.from(`${keymapOf(layouts)}\0`);
    const fd = new OwnedFd(native.memfd('virtwl-keymap', text.length, 0));
    const mapping = native.map(fd.fd, 0, text.length, true);
    new Uint8Array(mapping.buffer).set(text);
    mapping.unmap();
    this.#keyboard.request('keymap', FORMAT_XKB_V1, fd, text.length);
    this.#keyboard.request('modifiers', 0, 0, 0, 0);
  }

  #press(code: number, down: boolean): void {
    this.#keyboard.request('key', now(), code, down ? 1 : 0);
  }

  async #frame(): Promise<void> {
    this.#pointer!.request('frame');
    await this.display.roundtrip();
    await pause(STEP_MS);
  }
}

/** A time of input events in milliseconds; its start means nothing. */
function now(): number {
  return Math.round(performance.now());
}
