/**
 * The pointer and fingers on title bars, and on the edges around their windows: what they do there is ours, and Xwayland is told
 * nothing of it, since it knows no such surface. A device that Xwayland has released may still be told of, until the compositor
 * has read that: nothing may be said of it any more.
 */
import { Verdict, type EventHandlers } from '../relay/call.js';
import type { RelayObject } from '../relay/object-map.js';
import type { Shell } from './shell.js';
import { TitleBar } from './title-bar.js';
import type { TitleCursors } from './title-cursors.js';
import { TitleEdges } from './title-edges.js';
import { LEFT, type Over, type TitlePresses } from './title-press.js';

const PRESSED = 1;

/** A pointer, and what it looks like there. */
interface Pointing extends Over {
  /** Of its coming. */
  readonly serial: number;
  /** Sides, as {@link TitleCursors.show} takes them. */
  looks: number;
}

export class TitlePointer {
  /** Where pointers are that are over one. */
  readonly #over = new Map<RelayObject, Pointing>();
  /** Fingers that are on one, of each touch screen, by their numbers. */
  readonly #fingers = new Map<RelayObject, Map<number, Over>>();

  constructor(
    private readonly shell: Shell,
    private readonly cursors: TitleCursors,
    private readonly presses: TitlePresses,
  ) {}

  /** Their owner notes the seat of each pointer in its `data`. */
  readonly events: EventHandlers = {
    wl_pointer: {
      enter: ({ object, args: { serial, surface, surface_x: x, surface_y: y } }) => {
        const on = surface?.data;
        if (!isOurs(on) || object.destroyed) {
          this.#over.delete(object);
          return Verdict.Forward;
        }
        const looks = looksAt(on, x, y);
        this.#over.set(object, { on, x, y, serial, looks });
        this.cursors.show(object, serial, looks);
        return Verdict.Drop;
      },
      leave: ({ object }) => (this.#over.delete(object) ? Verdict.Drop : Verdict.Forward),
      motion: ({ object, args: { surface_x: x, surface_y: y } }) => {
        const over = this.#over.get(object);
        if (over === undefined) return Verdict.Forward;
        const looks = looksAt(over.on, x, y);
        if (looks !== over.looks) {
          this.cursors.show(object, over.serial, looks);
          this.shell.relay.flush();
        }
        Object.assign(over, { x, y, looks });
        return Verdict.Drop;
      },
      button: ({ object, args: { button, state, time, serial } }) => {
        const over = this.#over.get(object);
        if (over === undefined) return Verdict.Forward;
        const seat = object.data as RelayObject<'wl_seat'> | undefined;
        if (state !== PRESSED) this.presses.release(over, button);
        else if (seat?.destroyed === false) this.presses.press(over, button, time, { seat, serial });
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
        const on = surface?.data;
        if (!isOurs(on) || object.destroyed) return Verdict.Forward;
        const finger: Over = { on, x, y };
        const fingers = this.#fingers.get(object) ?? new Map<number, Over>();
        this.#fingers.set(object, fingers.set(id, finger));
        const seat = object.data as RelayObject<'wl_seat'> | undefined;
        if (seat?.destroyed === false) this.presses.press(finger, LEFT, time, { seat, serial });
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
        this.presses.release(finger, LEFT);
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
}

/** Whether a surface of that `data` is a title bar or edges. */
export const isOurs = (data: unknown): data is Over['on'] => data instanceof TitleBar || data instanceof TitleEdges;

/** The sides that are resized from there, as a cursor shows them. */
export const looksAt = (on: Over['on'], x: number, y: number): number =>
  on instanceof TitleEdges ? on.sidesAt(x, y) : 0;
