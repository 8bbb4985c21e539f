/**
 * Keyboard and pointer of a connection: what the compositor's first seat has, told to the window that has the focus. Codes,
 * states and modifiers are the compositor's own numbers; places are in the surface's coordinates.
 *
 * A seat's devices come and go. When one goes, its window is told that it has lost the focus.
 */
import type { Display } from '../wayland-client/display.js';
import type { WaylandObject } from '../wayland-client/wayland-object.js';
import { readKeymap } from './keymap.js';

/** The newest wl_seat that this file speaks: 8 brings finer steps of wheels in place of `discrete`. */
const SEAT_VERSION = 7;
/** wl_seat.capability */
const HAS_POINTER = 1;
const HAS_KEYBOARD = 2;
/** The version from which pointers and keyboards have a destructor. */
const RELEASE_VERSION = 3;
/** The version of wl_pointer from which events are grouped by `frame`. */
const FRAME_VERSION = 5;

/** What a wheel or a finger did, along one axis. */
export interface PointerAxis {
  readonly axis: 'vertical' | 'horizontal';
  /** Distance in surface coordinates, down and right positive; 0 when the finger was lifted. */
  readonly value: number;
  /** Steps of a wheel; 0 of what has no steps, or does not tell. */
  readonly discrete: number;
  /** `wl_pointer.axis_source`: 0 a wheel, 1 a finger, 2 continuous, 3 a wheel that was tilted. */
  readonly source: number | undefined;
  /** In milliseconds, of the compositor's clock. */
  readonly time: number;
}

/** Modifier keys and layout, as `xkb_state_update_mask` takes them. */
export interface Modifiers {
  readonly depressed: number;
  readonly latched: number;
  readonly locked: number;
  readonly group: number;
}

/** What a window is told of keyboard and pointer. Times are in milliseconds, of the compositor's clock. */
export interface InputEvents {
  /** What the keys mean: the text of an xkb keymap, or undefined for a keyboard without one. The window has it as `keymap`, too. */
  keymap: (text: string | undefined) => void;
  /** Keys are held down for `delay` ms before they repeat `rate` times a second; 0 for never. It is the program's to do. */
  repeatInfo: (rate: number, delay: number) => void;
  /** The window has got the keyboard; these keys are down already, by their codes. */
  keyboardEnter: (keys: readonly number[], serial: number) => void;
  keyboardLeave: (serial: number) => void;
  /** A key, by its code in linux/input-event-codes.h; the keymap's is 8 more. */
  key: (code: number, pressed: boolean, time: number, serial: number) => void;
  modifiers: (modifiers: Modifiers, serial: number) => void;
  /** The pointer has come onto the window. Its picture is the program's to set, with this serial ({@link Seat.pointer}). */
  pointerEnter: (x: number, y: number, serial: number) => void;
  pointerLeave: (serial: number) => void;
  pointerMotion: (x: number, y: number, time: number) => void;
  /** A button, by its code in linux/input-event-codes.h: 0x110 is the left one. */
  pointerButton: (button: number, pressed: boolean, time: number, serial: number) => void;
  pointerAxis: (axis: PointerAxis) => void;
}

/** Tells a window one event. */
export type InputTarget = <E extends keyof InputEvents>(event: E, ...args: Parameters<InputEvents[E]>) => void;

/** One axis until the pointer's frame is complete. */
type PendingAxis = { -readonly [K in keyof PointerAxis]: PointerAxis[K] };

/** The first seat of a compositor. Made by `DirectClient.seat` when the first window wants input. */
export class Seat {
  readonly wl: WaylandObject<'wl_seat'>;
  /** For requests that this class does not know, `set_cursor` above all; undefined while the seat has no pointer. */
  pointer: WaylandObject<'wl_pointer'> | undefined;
  keyboard: WaylandObject<'wl_keyboard'> | undefined;
  /** The text of the xkb keymap that holds now. */
  keymap: string | undefined;
  repeat: { readonly rate: number; readonly delay: number } | undefined;
  readonly #windows = new Map<WaylandObject<'wl_surface'>, InputTarget>();
  #pointed: InputTarget | undefined;
  #focused: InputTarget | undefined;
  #axes: { vertical?: PendingAxis; horizontal?: PendingAxis } = {};
  #source: number | undefined;

  /** @throws Error when the compositor has no seat */
  constructor(display: Display) {
    this.wl = display.bind('wl_seat', SEAT_VERSION);
    this.wl.on('capabilities', capabilities => {
      this.#havePointer((capabilities & HAS_POINTER) !== 0);
      this.#haveKeyboard((capabilities & HAS_KEYBOARD) !== 0);
    });
  }

  /** From now on a window is told. @internal */
  add(surface: WaylandObject<'wl_surface'>, window: InputTarget): void {
    this.#windows.set(surface, window);
  }

  /** The window is gone: nothing more is told. @internal */
  remove(surface: WaylandObject<'wl_surface'>): void {
    const window = this.#windows.get(surface);
    if (window === undefined) return;
    this.#windows.delete(surface);
    if (this.#pointed === window) this.#pointed = undefined;
    if (this.#focused === window) this.#focused = undefined;
  }

  #windowOf(surface: WaylandObject<'wl_surface'> | undefined): InputTarget | undefined {
    return surface === undefined ? undefined : this.#windows.get(surface);
  }

  #havePointer(there: boolean): void {
    if (there === (this.pointer !== undefined)) return;
    if (!there) {
      if (this.pointer!.version >= RELEASE_VERSION) this.pointer!.request('release');
      this.pointer = undefined;
      this.#pointed?.('pointerLeave', 0);
      this.#pointed = undefined;
      return;
    }
    const pointer = this.wl.create('get_pointer');
    this.pointer = pointer;
    pointer.on('enter', (serial, surface, x, y) => {
      this.#pointed = this.#windowOf(surface);
      this.#pointed?.('pointerEnter', x, y, serial);
    });
    pointer.on('leave', serial => {
      const left = this.#pointed;
      this.#pointed = undefined;
      left?.('pointerLeave', serial);
    });
    pointer.on('motion', (time, x, y) => this.#pointed?.('pointerMotion', x, y, time));
    pointer.on('button', (serial, time, button, state) =>
      this.#pointed?.('pointerButton', button, state !== 0, time, serial),
    );
    pointer.on('axis', (time, axis, value) => {
      const pending = this.#axis(axis);
      pending.value += value;
      pending.time = time;
      if (pointer.version < FRAME_VERSION) this.#tellAxes();
    });
    pointer.on('axis_stop', (time, axis) => (this.#axis(axis).time = time));
    pointer.on('axis_discrete', (axis, discrete) => (this.#axis(axis).discrete += discrete));
    pointer.on('axis_source', source => (this.#source = source));
    pointer.on('frame', () => this.#tellAxes());
  }

  #axis(number: number): PendingAxis {
    const axis = number === 0 ? 'vertical' : 'horizontal';
    return (this.#axes[axis] ??= { axis, value: 0, discrete: 0, source: undefined, time: 0 });
  }

  #tellAxes(): void {
    const { vertical, horizontal } = this.#axes;
    const source = this.#source;
    this.#axes = {};
    this.#source = undefined;
    for (const axis of [vertical, horizontal]) {
      if (axis !== undefined) this.#pointed?.('pointerAxis', { ...axis, source });
    }
  }

  #haveKeyboard(there: boolean): void {
    if (there === (this.keyboard !== undefined)) return;
    if (!there) {
      if (this.keyboard!.version >= RELEASE_VERSION) this.keyboard!.request('release');
      this.keyboard = undefined;
      this.#focused?.('keyboardLeave', 0);
      this.#focused = undefined;
      return;
    }
    const keyboard = this.wl.create('get_keyboard');
    this.keyboard = keyboard;
    keyboard.on('keymap', (format, fd, size) => {
      this.keymap = readKeymap(format, fd, size);
      for (const window of this.#windows.values()) window('keymap', this.keymap);
    });
    keyboard.on('repeat_info', (rate, delay) => {
      this.repeat = { rate, delay };
      for (const window of this.#windows.values()) window('repeatInfo', rate, delay);
    });
    keyboard.on('enter', (serial, surface, keys) => {
      this.#focused = this.#windowOf(surface);
      this.#focused?.('keyboardEnter', codesOf(keys), serial);
    });
    keyboard.on('leave', serial => {
      const left = this.#focused;
      this.#focused = undefined;
      left?.('keyboardLeave', serial);
    });
    keyboard.on('key', (serial, time, code, state) => this.#focused?.('key', code, state !== 0, time, serial));
    keyboard.on('modifiers', (serial, depressed, latched, locked, group) =>
      this.#focused?.('modifiers', { depressed, latched, locked, group }, serial),
    );
  }
}

/** An array of 32-bit numbers, as the wire has it; what is left over of one is dropped. */
function codesOf(bytes: Uint8Array): readonly number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length >> 2 }, (_, i) => view.getUint32(4 * i, true));
}
