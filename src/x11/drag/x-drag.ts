/**
 * One drag of an X client, from the moment that it takes XdndSelection with a button held. The compositor carries it, as a
 * drag of Xwayland's, since only the compositor knows what is under the pointer.
 *
 * - Over an X window, the client's pointer is put to that place of the X screen, and the two X clients do the rest
 *   themselves. The compositor is not told that anybody would take it.
 * - Over anything else, the client's pointer is over a window of ours, which answers what the compositor says of whoever is there.
 *
 * When the compositor says that it was dropped, or is over, the client is told that the button was released.
 */
import type { RelayObject } from '../../relay/object-map.js';
import type { OwnedFd } from '../../system/fd.js';
import { WlDataDeviceManagerDndAction } from '../../wayland/protocols/wayland.js';
import { convertSelection, getInputFocus, sendEvent } from '../requests.js';
import { MAX_TRANSFERS } from '../selections/limits.js';
import { CLIPBOARD } from '../selections/wayland-devices.js';
import type { Transfers } from '../selections/transfers.js';
import type { XSide } from '../selections/x-side.js';
import type { Shell } from '../shell.js';
import type { HeldPointer, Press } from './held-pointer.js';
import { actionOfAtom, finished, status, type DragAtoms } from './messages.js';
import type { SurfacePlace } from './onto-x11.js';
import type { Place } from './over-window.js';
import type { ScreenWindow } from './screen-window.js';

const { none, copy, move, ask } = WlDataDeviceManagerDndAction;

/** How long two X clients have from the pointer's coming to the button's release, in milliseconds: a few round trips. */
const MEET_MS = 200;

export interface XDragOptions {
  readonly side: XSide;
  readonly atoms: DragAtoms;
  readonly shell: Shell;
  readonly device: RelayObject<'wl_data_device'>;
  readonly pointer: HeldPointer;
  readonly press: Press;
  readonly screen: ScreenWindow;
  readonly transfers: Transfers;
  /** By mime type, the target. */
  readonly targets: ReadonlyMap<string, number>;
  /** A kind of data by which our own drags are known. */
  readonly mark: string;
  /** The window that has told ours already that it drags; 0: none. */
  readonly client: number;
  /** What may be done with it, as bits of the compositor's. */
  readonly actions: number;
  readonly placeOf: (surface: RelayObject) => SurfacePlace | undefined;
  /** Puts the window of a surface above the others of the X screen, and calls `done` when it is. */
  readonly raise: (surface: RelayObject, done: () => void) => void;
  /** How long either side may take after the drop while no data moves, in milliseconds. */
  readonly finishMs: number;
  /** Called once. */
  readonly ended: () => void;
}

export class XDrag {
  readonly #source: RelayObject<'wl_data_source'>;
  /** What the pointer is over: an X window's surface, `other` for what is not ours, undefined before we know. */
  #over: RelayObject | 'other' | undefined;
  /** Counts changes of that. */
  #changes = 0;
  /** The X server shows its windows as the pointer's place needs it. */
  #settled = false;
  /** Of the pointer, in the X screen. */
  #place: Place;
  /** The window that has told ours that it drags; 0: none. */
  #client: number;
  #accepted = false;
  /**
   * That the client has said last to our window. Asked for the data with it, Qt knows whether it is what it drags or has
   * dropped.
   */
  #time: number | undefined;
  /** Wanted before the client has said that, or after the drop, of which it has not told yet. */
  readonly #waiting: { readonly target: number; readonly sink: OwnedFd }[] = [];
  #action: number = none;
  #phase: 'carried' | 'dropped' | 'over' = 'carried';
  /** The X client has dropped it on our window. */
  #xDropped = false;
  /** What the compositor said of the end, before the X client has dropped it. */
  #outcome: 'finished' | 'cancelled' | undefined;
  #timer: NodeJS.Timeout | undefined;
  #meeting: NodeJS.Timeout | undefined;

  /** Begins it. */
  constructor(private readonly options: XDragOptions) {
    const { shell, device, pointer, press, targets, mark, actions } = options;
    const { relay } = shell;
    this.#client = options.client;
    this.#place = options.placeOf(press.surface) ?? { x: 0, y: 0 };
    this.#source = CLIPBOARD.source(shell, this) as RelayObject<'wl_data_source'>;
    for (const type of [...targets.keys(), mark]) CLIPBOARD.offer(relay, this.#source, type);
    relay.request(this.#source, 'set_actions', { dnd_actions: actions });
    const { surface: origin, serial } = press;
    relay.request(device, 'start_drag', { source: this.#source, origin, icon: undefined, serial });
    pointer.hold(press, { taken: () => this.#taken(), back: () => this.#back() });
    relay.flush();
  }

  // ---- what the compositor says ------------------------------------------------------------------------------------

  /** The pointer is over a surface of Xwayland's, at that place of it, in units of the compositor's. */
  enter(surface: RelayObject, x: number, y: number): void {
    if (this.#phase !== 'carried') return;
    this.#be(surface);
    this.options.screen.hide();
    this.#client = 0;
    this.#time = undefined;
    this.#accepted = false;
    this.options.pointer.take();
    this.motion(x, y);
    let waiting = 2;
    const change = this.#changes;
    const done = (): void => {
      waiting -= 1;
      if (waiting > 0 || this.#changes !== change) return;
      this.#settled = true;
      this.#point();
      if (this.#phase === 'dropped') this.#meet();
    };
    this.#afterX(done);
    this.options.raise(surface, done);
  }

  motion(x: number, y: number): void {
    if (this.#phase !== 'carried' || typeof this.#over !== 'object') return;
    const at = this.options.placeOf(this.#over);
    if (at === undefined) return;
    this.#place = { x: at.x + Math.round(x * at.scale), y: at.y + Math.round(y * at.scale) };
    this.#point();
  }

  /** It has left that, for another of them perhaps, or because all is over: which, the compositor says next. */
  leave(): void {
    if (this.#phase !== 'carried') return;
    this.#be(undefined);
    this.#outsideSoon();
  }

  /** Whoever is under the pointer would take it, or would not. */
  accepted(accepted: boolean): void {
    this.options.pointer.take();
    this.#accepted = accepted;
    this.#tell();
  }

  chosen(action: number): void {
    this.#action = action;
    this.#tell();
  }

  /** A Wayland program wants the data. Takes ownership of `sink`. */
  asked(type: string, sink: OwnedFd): void {
    this.#timer?.refresh();
    const target = this.options.targets.get(type);
    if (target === undefined || this.#phase === 'over') sink.close();
    else if (this.#time !== undefined && (this.#phase === 'carried' || this.#xDropped)) this.#convert(target, sink);
    else if (this.#waiting.length < MAX_TRANSFERS) this.#waiting.push({ target, sink });
    else sink.close();
  }

  #timed(time: number): void {
    this.#time = time;
    if (this.#phase === 'dropped' && !this.#xDropped) return;
    for (const { target, sink } of this.#waiting.splice(0)) this.#convert(target, sink);
  }

  #convert(target: number, sink: OwnedFd): void {
    const { transfers, atoms, side } = this.options;
    const time = this.#time;
    transfers.toPipe({ selection: atoms.XdndSelection, target, time, sink }, 'what an X11 program drags');
    side.x.flush();
  }

  dropped(): void {
    if (this.#phase !== 'carried') return;
    this.#phase = 'dropped';
    this.#wait();
    if (this.#over !== 'other' && typeof this.#over !== 'object') this.#outside();
    if (this.#settled) this.#letGo();
  }

  finished(): void {
    this.#outcome = 'finished';
    this.#conclude();
  }

  /** Nobody has taken it, or nobody is there any more who could. */
  cancelled(): void {
    if (this.#phase === 'dropped') {
      // wlroots says this also of what is finished.
      this.#outcome ??= 'cancelled';
      this.#conclude();
      return;
    }
    this.#accepted = false;
    // Over an X window, the X client drops it there now. Else it is refused.
    this.#tell();
    this.#afterX(() => this.end());
  }

  /** The pointer is the compositor's now. */
  #taken(): void {
    if (this.#over === undefined) this.#outsideSoon();
  }

  /** The pointer is Xwayland's again: the drag is over, whatever we were told of it. */
  #back(): void {
    this.options.pointer.letGo();
    if (this.#phase === 'carried') this.end();
  }

  // ---- what the X client says --------------------------------------------------------------------------------------

  /** To the window of ours that is over the whole screen. */
  message(type: number, data: readonly number[]): void {
    const { atoms, side } = this.options;
    const source = data[0]!;
    if (type === atoms.XdndEnter && this.#client === 0) this.#client = source;
    // What others say is not about this.
    if (source !== this.#client) return;
    if (type === atoms.XdndPosition) {
      this.#timed(data[3]!);
      this.#tell();
    } else if (type === atoms.XdndLeave) {
      this.#client = 0;
      this.#time = undefined;
      // It has not dropped it, whatever the compositor's side was told.
      if (this.#phase === 'dropped') this.end();
    } else if (type === atoms.XdndDrop && this.#phase === 'dropped') {
      this.#xDropped = true;
      this.#timed(data[2]!);
      this.#conclude();
    }
    side.x.flush();
  }

  /** The selection has another owner: the client is gone, or drags something else. */
  ownerGone(): void {
    this.end();
  }

  // ---- ends --------------------------------------------------------------------------------------------------------

  /** Idempotent. */
  end(): void {
    if (this.#phase === 'over') return;
    this.#phase = 'over';
    this.#changes += 1;
    clearTimeout(this.#timer);
    clearTimeout(this.#meeting);
    const { pointer, screen, shell, side, ended } = this.options;
    pointer.letGo();
    for (const { sink } of this.#waiting.splice(0)) sink.close();
    if (!shell.relay.closed && !this.#source.destroyed) {
      CLIPBOARD.endSource(shell.relay, this.#source);
      // sway gives the keyboard anew when a drag ends, and dismisses popups.
      shell.dismissals.doubt();
      shell.relay.flush();
    }
    // One that is over our window may look once more what is under the pointer: that stays until it says that it goes.
    if (this.#client === 0 || this.#xDropped) screen.hide();
    side.x.flush();
    ended();
  }

  /** Both sides have come to the end. */
  #conclude(): void {
    const { atoms, side, screen } = this.options;
    if (this.#phase !== 'dropped' || this.#outcome === undefined || !this.#xDropped) return;
    const accepted = this.#outcome === 'finished';
    const answer = { target: screen.id, accepted, action: this.#action };
    if (accepted && this.#action === move) {
      // This is how X clients are told that what they have moved is theirs no more.
      side.x.send(convertSelection(screen.id, atoms.XdndSelection, atoms.DELETE, atoms.DELETE));
    }
    side.x.send(sendEvent(this.#client, finished(atoms, this.#client, answer)));
    this.end();
  }

  #wait(): void {
    const { finishMs, transfers, side } = this.options;
    const untaken = side.guarded(() => {
      if (transfers.count > 0) {
        this.#timer!.refresh();
        return;
      }
      side.log.debug(`what an X11 program has dropped was not taken in ${finishMs / 1000} s, and is taken back`);
      this.#outcome ??= 'cancelled';
      this.#conclude();
      this.end();
    });
    this.#timer = setTimeout(untaken, finishMs);
  }

  /**
   * It was dropped as soon as it came: the X client and the window need a moment to find each other before the button. So it
   * is over X windows of a VM that may not read the clipboard, which is told of its own drags just with the drop.
   */
  #meet(): void {
    this.#meeting = setTimeout(
      this.options.side.guarded(() => this.#letGo()),
      MEET_MS,
    );
  }

  /** Lets the X client drop it where the pointer is. */
  #letGo(): void {
    // What was said of it last has to be with the X client before the button.
    this.#afterX(() => {
      if (this.#phase === 'over') return;
      // X clients do the rest themselves.
      if (typeof this.#over === 'object') this.end();
      else this.options.pointer.letGo();
    });
  }

  // ---- where the pointer is ----------------------------------------------------------------------------------------

  #be(over: RelayObject | 'other' | undefined): void {
    this.#over = over;
    this.#changes += 1;
    this.#settled = false;
  }

  /** What the compositor has said by now about where the pointer is, comes before its answer. */
  #outsideSoon(): void {
    const change = this.#changes;
    const { relay } = this.options.shell;
    relay.sync(() => {
      if (this.#changes === change && this.#phase === 'carried') this.#outside();
    });
    relay.flush();
  }

  #outside(): void {
    const { screen, side } = this.options;
    this.#be('other');
    screen.show();
    const change = this.#changes;
    this.#afterX(() => {
      if (this.#changes !== change) return;
      this.#settled = true;
      // Any other place will do for it to look what is there now.
      const { x, y } = this.#place;
      this.#place = { x: x === 0 ? 1 : x - 1, y };
      this.#point();
      if (this.#phase === 'dropped') this.#meet();
    });
    side.x.flush();
  }

  #point(): void {
    const { placeOf, press, pointer } = this.options;
    const origin = this.#settled ? placeOf(press.surface) : undefined;
    if (origin !== undefined) pointer.move(this.#place.x - origin.x, this.#place.y - origin.y);
  }

  /** Tells the X client what would become of it here. */
  #tell(): void {
    const { side, atoms, screen } = this.options;
    if (this.#client === 0 || this.#phase === 'over') return;
    const accepted = this.#over === 'other' && this.#accepted && this.#action !== none;
    const answer = { target: screen.id, accepted, action: this.#action };
    side.x.send(sendEvent(this.#client, status(atoms, this.#client, answer)));
    side.x.flush();
  }

  /** The X server has dealt with all that we have said to it. */
  #afterX(then: () => void): void {
    const { x } = this.options.side;
    x.ask(getInputFocus(), then, then);
    x.flush();
  }
}

/** What may be done, of a list of atoms of X's. */
export function actionsOf(atoms: DragAtoms, list: readonly number[]): number {
  const all = list.reduce<number>((bits, atom) => bits | actionOfAtom(atoms, atom), none);
  // To ask is not to know: without another, the answer can only be a copy.
  return all === none || all === ask ? all | copy : all;
}
