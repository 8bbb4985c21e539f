/**
 * The pointer and fingers on title bars: what they do there is ours, and Xwayland is told nothing of it, since it knows no such
 * surface. The pointer is the arrow of the client VM's theme.
 */
import { Verdict, type EventHandlers } from '../relay/call.js';
import type { RelayObject } from '../relay/object-map.js';
import type { CursorPicture } from './cursor-theme.js';
import { bufferOf } from './shm-picture.js';
import type { Shell } from './shell.js';
import { TitleBar, type Press } from './title-bar.js';
import type { TitlePart } from './title-picture.js';

/** Codes of a mouse's buttons. */
const [LEFT, RIGHT] = [0x110, 0x111];
const PRESSED = 1;
/** Between the presses of a double click, in milliseconds. */
const DOUBLE_CLICK_MS = 400;

interface Over {
  readonly bar: TitleBar;
  x: number;
  y: number;
  /** The button was pressed there. */
  pressed: TitlePart | undefined;
}

interface ButtonEvent {
  readonly button: number;
  readonly state: number;
  readonly time: number;
}

export class TitlePointer {
  /** Where pointers are that are over a title bar. */
  readonly #over = new Map<RelayObject, Over>();
  /** Fingers that are on one, of each touch screen, by their numbers. */
  readonly #fingers = new Map<RelayObject, Map<number, Over>>();
  #clicked: { readonly bar: TitleBar; readonly time: number } | undefined;
  /** Files are looked for once. */
  #arrow: { readonly picture: CursorPicture | undefined } | undefined;
  #cursor: RelayObject<'wl_surface'> | undefined;

  /** `arrow`: undefined where the theme has none: then the pointer is not shown there. */
  constructor(
    private readonly shell: Shell,
    private readonly arrow: () => CursorPicture | undefined,
  ) {}

  /** Their owner notes the seat of each pointer in its `data`. */
  readonly events: EventHandlers = {
    wl_pointer: {
      enter: ({ object, args: { serial, surface, surface_x: x, surface_y: y } }) => {
        const bar = surface?.data;
        if (!(bar instanceof TitleBar)) {
          this.#over.delete(object);
          return Verdict.Forward;
        }
        this.#over.set(object, { bar, x, y, pressed: undefined });
        this.#showArrow(object, serial);
        return Verdict.Drop;
      },
      leave: ({ object }) => (this.#over.delete(object) ? Verdict.Drop : Verdict.Forward),
      motion: ({ object, args: { surface_x: x, surface_y: y } }) => {
        const over = this.#over.get(object);
        if (over === undefined) return Verdict.Forward;
        Object.assign(over, { x, y });
        return Verdict.Drop;
      },
      button: ({ object, args }) => {
        const over = this.#over.get(object);
        if (over === undefined) return Verdict.Forward;
        const seat = object.data as RelayObject<'wl_seat'> | undefined;
        if (seat?.destroyed === false) this.#button(over, args, { seat, serial: args.serial });
        this.shell.relay.flush();
        return Verdict.Drop;
      },
      axis: ({ object }) => this.#unlessOver(object),
      axis_source: ({ object }) => this.#unlessOver(object),
      axis_stop: ({ object }) => this.#unlessOver(object),
      axis_discrete: ({ object }) => this.#unlessOver(object),
    },
    wl_touch: {
      down: ({ object, args: { surface, serial, time, id, x, y } }) => {
        const bar = surface?.data;
        if (!(bar instanceof TitleBar)) return Verdict.Forward;
        const finger: Over = { bar, x, y, pressed: undefined };
        const fingers = this.#fingers.get(object) ?? new Map<number, Over>();
        this.#fingers.set(object, fingers.set(id, finger));
        const seat = object.data as RelayObject<'wl_seat'> | undefined;
        if (seat?.destroyed === false) this.#button(finger, { button: LEFT, state: PRESSED, time }, { seat, serial });
        this.shell.relay.flush();
        return Verdict.Drop;
      },
      motion: ({ object, args: { id, x, y } }) => {
        const finger = this.#fingers.get(object)?.get(id);
        if (finger === undefined) return Verdict.Forward;
        Object.assign(finger, { x, y });
        return Verdict.Drop;
      },
      up: ({ object, args: { id } }) => {
        const finger = this.#fingers.get(object)?.get(id);
        if (finger === undefined) return Verdict.Forward;
        this.#fingers.get(object)!.delete(id);
        this.#release(finger, { button: LEFT });
        this.shell.relay.flush();
        return Verdict.Drop;
      },
      shape: ({ object, args: { id } }) => this.#unlessFinger(object, id),
      orientation: ({ object, args: { id } }) => this.#unlessFinger(object, id),
      // The compositor has taken the fingers, as it does to move a window.
      cancel: ({ object }) => {
        this.#fingers.delete(object);
        return Verdict.Forward;
      },
    },
  };

  /** The pointer, or the touch screen, is no more. */
  gone(device: RelayObject): void {
    this.#over.delete(device);
    this.#fingers.delete(device);
  }

  #unlessFinger(touch: RelayObject, id: number): Verdict {
    return this.#fingers.get(touch)?.has(id) === true ? Verdict.Drop : Verdict.Forward;
  }

  #unlessOver(pointer: RelayObject): Verdict {
    return this.#over.has(pointer) ? Verdict.Drop : Verdict.Forward;
  }

  #release(over: Over, { button }: Pick<ButtonEvent, 'button'>): void {
    const { bar, x, y, pressed } = over;
    const part = bar.partAt(x, y);
    over.pressed = undefined;
    if (button !== LEFT || pressed === undefined || pressed !== part) return;
    if (part === 'close') bar.owner.closeAsked();
    else if (part === 'maximize') bar.owner.toggleMaximized();
    else if (part === 'minimize') bar.owner.setMinimized();
  }

  #button(over: Over, event: ButtonEvent, press: Press): void {
    if (event.state !== PRESSED) {
      this.#release(over, event);
      return;
    }
    const { bar, x, y } = over;
    const { owner } = bar;
    const part = bar.partAt(x, y);
    over.pressed = event.button === LEFT ? part : undefined;
    if (event.button === RIGHT) owner.menu(press, Math.floor(x), Math.floor(y));
    if (event.button !== LEFT || part !== 'title') return;
    const { time } = event;
    if (this.#clicked?.bar === bar && time - this.#clicked.time < DOUBLE_CLICK_MS) {
      this.#clicked = undefined;
      owner.toggleMaximized();
      return;
    }
    this.#clicked = { bar, time };
    owner.move(press);
  }

  #showArrow(pointer: RelayObject<'wl_pointer'>, serial: number): void {
    const { relay } = this.shell;
    const { picture } = (this.#arrow ??= { picture: this.arrow() });
    const compositor = this.shell.global('wl_compositor');
    if (picture === undefined || compositor === undefined) {
      relay.request(pointer, 'set_cursor', { serial, surface: undefined, hotspot_x: 0, hotspot_y: 0 });
      return;
    }
    let surface = this.#cursor;
    if (surface === undefined) {
      surface = relay.inject('wl_surface', compositor.version);
      relay.request(compositor, 'create_surface', { id: surface });
    }
    relay.request(pointer, 'set_cursor', { serial, surface, hotspot_x: picture.hotX, hotspot_y: picture.hotY });
    if (this.#cursor === undefined) {
      relay.request(surface, 'attach', { buffer: bufferOf(this.shell, picture), x: 0, y: 0 });
      relay.request(surface, 'damage', { x: 0, y: 0, width: picture.width, height: picture.height });
      relay.request(surface, 'commit', {});
      this.#cursor = surface;
    }
  }
}
