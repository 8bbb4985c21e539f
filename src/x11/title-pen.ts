/**
 * Pens of tablets on title bars and edges, which do what the pointer does there: the tip is its left button. Xwayland is told
 * nothing of it.
 */
import { Verdict, type EventHandlers } from '../relay/call.js';
import type { RelayObject } from '../relay/object-map.js';
import type { Shell } from './shell.js';
import type { TitleCursors } from './title-cursors.js';
import { isOurs, looksAt } from './title-pointer.js';
import { LEFT, type Over, type TitlePresses } from './title-press.js';

type Pen = RelayObject<'zwp_tablet_tool_v2'>;

interface Pointing extends Over {
  /** Of its coming. */
  readonly serial: number;
  looks: number;
  /** The serial of the tip that has gone down, until its time is told. */
  down?: number | undefined;
  /** It has gone, by the frame that is being told. */
  left?: boolean;
}

export class TitlePen {
  readonly #over = new Map<RelayObject, Pointing>();

  constructor(
    private readonly shell: Shell,
    private readonly cursors: TitleCursors,
    private readonly presses: TitlePresses,
  ) {}

  /** Their owner notes the seat of each pen in its `data`. */
  readonly events: EventHandlers = {
    zwp_tablet_tool_v2: {
      proximity_in: ({ object, args: { serial, surface } }) => {
        const on = surface?.data;
        // Of one that Xwayland has given up, nothing may be said any more.
        if (!isOurs(on) || object.destroyed) {
          this.#over.delete(object);
          return Verdict.Forward;
        }
        // Where it is comes behind it: outside until then.
        this.#over.set(object, { on, x: -1, y: -1, serial, looks: 0 });
        this.cursors.show(object, serial, 0);
        return Verdict.Drop;
      },
      proximity_out: ({ object }) => {
        const over = this.#over.get(object);
        if (over === undefined) return Verdict.Forward;
        over.left = true;
        return Verdict.Drop;
      },
      motion: ({ object, args: { x, y } }) => {
        const over = this.#over.get(object);
        if (over === undefined) return Verdict.Forward;
        const looks = looksAt(over.on, x, y);
        if (looks !== over.looks) this.cursors.show(object, over.serial, looks);
        Object.assign(over, { x, y, looks });
        return Verdict.Drop;
      },
      down: ({ object, args: { serial } }) => {
        const over = this.#over.get(object);
        if (over === undefined) return Verdict.Forward;
        over.down = serial;
        return Verdict.Drop;
      },
      up: ({ object }) => {
        const over = this.#over.get(object);
        if (over === undefined) return Verdict.Forward;
        this.presses.release(over, LEFT);
        return Verdict.Drop;
      },
      frame: ({ object, args: { time } }) => {
        const over = this.#over.get(object);
        if (over === undefined) return Verdict.Forward;
        if (over.left === true) this.#over.delete(object);
        else this.#pressed(object, over, time);
        this.shell.relay.flush();
        return Verdict.Drop;
      },
      pressure: ({ object }) => this.#unlessOver(object),
      distance: ({ object }) => this.#unlessOver(object),
      tilt: ({ object }) => this.#unlessOver(object),
      rotation: ({ object }) => this.#unlessOver(object),
      slider: ({ object }) => this.#unlessOver(object),
      wheel: ({ object }) => this.#unlessOver(object),
      button: ({ object }) => this.#unlessOver(object),
    },
  };

  /** The pen is no more. */
  gone(pen: RelayObject): void {
    this.#over.delete(pen);
  }

  #pressed(pen: Pen, over: Pointing, time: number): void {
    const { down: serial } = over;
    const seat = pen.data as RelayObject<'wl_seat'> | undefined;
    if (serial === undefined) return;
    over.down = undefined;
    if (seat?.destroyed === false) this.presses.press(over, LEFT, time, { seat, serial });
  }

  #unlessOver(pen: RelayObject): Verdict {
    return this.#over.has(pen) ? Verdict.Drop : Verdict.Forward;
  }
}
