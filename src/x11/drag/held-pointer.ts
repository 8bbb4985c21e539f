/**
 * The pointer, as Xwayland is told of it. While the compositor carries what an X client drags, it says nothing of the pointer to
 * Xwayland, which would take a button for released as soon as the pointer is back. So Xwayland is kept from hearing that the
 * pointer has left, is told by us where it is on the X screen, and at last that the button was released. Not every compositor
 * says that the pointer has left: KWin keeps it where it was, and says no more of it until the drop.
 *
 * Fingers are not heard here, since sway carries what one drags nowhere, and does not say when it is lifted (docs/x11.md).
 */
import { Verdict } from '../../relay/call.js';
import type { RelayObject } from '../../relay/object-map.js';
import type { Relay } from '../../relay/relay.js';
import { WlPointerButtonState } from '../../wayland/protocols/wayland.js';

/** First version of wl_pointer that says what belongs together. */
const FRAME_SINCE = 5;

/** The one button that is held. */
export interface Press {
  readonly pointer: RelayObject<'wl_pointer'>;
  readonly serial: number;
  readonly button: number;
  readonly time: number;
  /** Where it was pressed. */
  readonly surface: RelayObject<'wl_surface'>;
}

export interface HoldWatch {
  /** The compositor has taken the pointer, as it does for a drag. */
  taken(): void;
  /** It gives it back. The pointer has to be let go of before this returns. */
  back(): void;
}

interface Hold {
  readonly press: Press;
  readonly watch: HoldWatch;
  taken: boolean;
  /** Of the leave that Xwayland was not told. */
  left: number | undefined;
}

interface ButtonEvent {
  readonly serial: number;
  readonly time: number;
  readonly button: number;
  readonly state: number;
}

export class HeldPointer {
  #surface: RelayObject<'wl_surface'> | undefined;
  readonly #buttons = new Set<number>();
  #press: Press | undefined;
  #hold: Hold | undefined;

  /** `seat`: others have pointers of their own. */
  constructor(
    private readonly relay: () => Relay,
    private readonly seat: () => RelayObject | undefined,
    /** The pointer has come to a surface, or a button was released there that dragged nothing. */
    private readonly came: () => void,
  ) {}

  /** Undefined: no button is held, or several. */
  get press(): Press | undefined {
    return this.#buttons.size === 1 && this.#surface !== undefined ? this.#press : undefined;
  }

  // ---- what the compositor says ------------------------------------------------------------------------------------

  entered(pointer: RelayObject, surface: RelayObject<'wl_surface'> | undefined): Verdict {
    if (!this.#knows(pointer)) return Verdict.Forward;
    this.#hold?.watch.back();
    this.came();
    this.#surface = surface;
    // What was held is not any more: a compositor keeps the pointer where a button was pressed.
    this.#buttons.clear();
    return Verdict.Forward;
  }

  left(pointer: RelayObject, serial: number): Verdict {
    if (!this.#knows(pointer)) return Verdict.Forward;
    this.#surface = undefined;
    const hold = this.#hold;
    if (hold === undefined) return Verdict.Forward;
    hold.left = serial;
    this.take();
    return Verdict.Drop;
  }

  /** The compositor carries the drag: what it says of that is heard before or without the pointer's leave. Idempotent. */
  take(): void {
    const hold = this.#hold;
    if (hold === undefined || hold.taken) return;
    hold.taken = true;
    hold.watch.taken();
  }

  button(pointer: RelayObject<'wl_pointer'>, { serial, time, button, state }: ButtonEvent): Verdict {
    if (!this.#knows(pointer)) return Verdict.Forward;
    const surface = this.#surface;
    if (state !== WlPointerButtonState.pressed) {
      this.#buttons.delete(button);
      // The compositor did not take it.
      if (this.#hold?.press.button === button) this.#hold.watch.back();
      else if (this.#hold === undefined) this.came();
    } else if (surface !== undefined) {
      this.#buttons.add(button);
      if (this.#buttons.size === 1) this.#press = { pointer, serial, button, time, surface };
    }
    return Verdict.Forward;
  }

  // ---- what Xwayland is told ---------------------------------------------------------------------------------------

  /** From the next time on that the pointer leaves, Xwayland is not told. */
  hold(press: Press, watch: HoldWatch): void {
    this.#hold = { press, watch, taken: false, left: undefined };
  }

  /** The pointer is there now, in X pixels of the surface where the button was pressed. */
  move(x: number, y: number): void {
    const hold = this.#hold;
    if (hold?.taken !== true || hold.press.surface.destroyed || hold.press.pointer.destroyed) return;
    const { pointer, time } = hold.press;
    this.relay().emitEvent(pointer, 'motion', { time, surface_x: x, surface_y: y });
    this.#frame(pointer);
  }

  /** Xwayland is told what it was not told, as if it happened now. Idempotent. */
  letGo(): void {
    const hold = this.#hold;
    this.#hold = undefined;
    // Where the compositor did not take it, Xwayland was told all.
    if (hold?.taken !== true || this.relay().closed) return;
    const { left, press } = hold;
    const { pointer, button, time, surface } = press;
    if (pointer.destroyed) return;
    this.#buttons.clear();
    const serial = left ?? press.serial;
    this.relay().emitEvent(pointer, 'button', { serial, time, button, state: WlPointerButtonState.released });
    this.#frame(pointer);
    if (left === undefined || surface.destroyed) return;
    this.relay().emitEvent(pointer, 'leave', { serial, surface });
    this.#frame(pointer);
  }

  #frame(pointer: RelayObject<'wl_pointer'>): void {
    if (pointer.version >= FRAME_SINCE) this.relay().emitEvent(pointer, 'frame', {});
    this.relay().flush();
  }

  #knows(pointer: RelayObject): boolean {
    return pointer.data !== undefined && pointer.data === this.seat();
  }
}
