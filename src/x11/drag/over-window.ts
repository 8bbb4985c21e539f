/**
 * One drag of a Wayland program over one X window, from when it comes over it until it leaves, or was dropped and is finished.
 * The window is told by XDND, and what it answers is told to the compositor. A position is told when the one before was
 * answered, so a window that does not answer has one message waiting, and takes nothing.
 */
import type { RelayObject } from '../../relay/object-map.js';
import type { Relay } from '../../relay/relay.js';
import { WlDataDeviceManagerDndAction } from '../../wayland/protocols/wayland.js';
import type { Offer } from '../selections/wayland-selection.js';
import { sendEvent } from '../requests.js';
import type { XSide } from '../selections/x-side.js';
import { OLDEST_VERSION, readFinished, readStatus, VERSION, Words, type DragAtoms } from './messages.js';

/** First version of wl_data_offer that has actions, and an end that is said. */
const ACTIONS_SINCE = 3;

const { none, copy, move, ask } = WlDataDeviceManagerDndAction;

/** A place of the root window, in pixels. */
export interface Place {
  readonly x: number;
  readonly y: number;
}

export interface OverWindowOptions {
  readonly side: XSide;
  readonly atoms: DragAtoms;
  readonly relay: Relay;
  readonly offer: Offer;
  /** Of the compositor's enter. */
  readonly serial: number;
  /** The window that owns what is dragged. */
  readonly source: number;
  /** The X window. */
  readonly target: number;
  /** How long the window may take from the drop to XdndFinished while it reads nothing, in milliseconds. */
  readonly finishMs: number;
  /** Whether data is on its way. */
  readonly busy: () => boolean;
  /** Called once. */
  readonly ended: () => void;
}

export class OverWindow {
  #words: Words | undefined;
  /** The window that is told, which may be another than the one that it is about. */
  #to = 0;
  #version = VERSION;
  #place: Place;
  /** Not told yet. */
  #moved = true;
  /** A position was told and not answered. */
  #waiting = false;
  #accepted = false;
  /** The compositor was told last that it is refused. */
  #refused = true;
  #dropped = false;
  #dropTold = false;
  /** The window takes nothing at all, or is gone. */
  #refusing = false;
  #over = false;
  #timer: NodeJS.Timeout | undefined;
  readonly #forget: () => void;

  constructor(
    private readonly options: OverWindowOptions,
    place: Place,
  ) {
    this.#place = place;
    this.#forget = options.side.watch.add(options.target, { destroyed: () => this.#gone() });
  }

  get offer(): Offer {
    return this.options.offer;
  }

  get dropped(): boolean {
    return this.#dropped;
  }

  /** The window takes drags, of that version, and has them told to `to`. The kinds of data can be asked for. */
  begin(to: number, version: number, types: readonly number[]): void {
    if (this.#over || this.#refusing) return;
    if (version < OLDEST_VERSION) {
      this.#refuse();
      return;
    }
    const { side, atoms, source, target } = this.options;
    this.#to = to;
    this.#version = Math.min(version, VERSION);
    this.#words = new Words(atoms, source, target, this.#version);
    side.x.send(sendEvent(to, this.#words.enter(types)));
    this.#advance();
  }

  move(place: Place): void {
    if (this.#dropped) return;
    this.#place = place;
    this.#moved = true;
    this.#advance();
  }

  /** The window says whether it would take it. */
  status(data: readonly number[]): void {
    const { accepted, action, target } = readStatus(this.options.atoms, data);
    if (target !== this.options.target || this.#words === undefined || this.#dropTold) return;
    this.#waiting = false;
    this.#accepted = accepted;
    // A VM that may not read the clipboard is told of a drag with the drop: what was taken for granted is said then.
    if (!this.#dropped || (accepted && this.#refused)) this.#accept(accepted, action);
    this.#advance();
  }

  /** The user has let it go here. The window is told when it has answered, and has said that it takes it. */
  drop(): void {
    if (this.#dropped) return;
    this.#dropped = true;
    if (this.#refusing) {
      this.end();
      return;
    }
    this.#wait();
    this.#advance();
  }

  /** The window has done with it. */
  finished(data: readonly number[]): void {
    const { atoms, relay, offer, target } = this.options;
    const said = readFinished(atoms, data, this.#version);
    if (said.target !== target || !this.#dropTold) return;
    const object = offer.object as RelayObject<'wl_data_offer'>;
    if (said.accepted && !this.#refused && object.version >= ACTIONS_SINCE && !offer.ended && !relay.closed) {
      let { action } = offer;
      if (action === ask && (said.action === copy || said.action === move)) {
        relay.request(object, 'set_actions', { dnd_actions: said.action, preferred_action: said.action });
        ({ action } = said);
      }
      // To finish what nobody agreed on is an error of the protocol.
      if (action === copy || action === move) relay.request(object, 'finish', {});
    }
    this.end();
  }

  /** It asks for data: it is at work. */
  asked(): void {
    this.#timer?.refresh();
  }

  /** It has left the window, or is over for another reason. Idempotent. */
  end(): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    this.#forget();
    if (this.#words !== undefined && !this.#dropTold) this.#say(this.#words.leave());
    this.offer.selection.endOffer(this.offer);
    this.options.ended();
  }

  /** The window is gone. What is over it stays until the compositor says that it has left. */
  #gone(): void {
    this.#words = undefined;
    if (this.#dropped) this.end();
    else this.#refuse();
  }

  #refuse(): void {
    this.#refusing = true;
    this.#accept(false, none);
    if (this.#dropped) this.end();
  }

  #wait(): void {
    const untaken = this.options.side.guarded(() => {
      if (this.options.busy()) {
        this.#timer!.refresh();
        return;
      }
      const seconds = this.options.finishMs / 1000;
      this.options.side.log.debug(`what was dropped on an X11 window was not taken in ${seconds} s, and is taken back`);
      this.end();
    });
    this.#timer = setTimeout(untaken, this.options.finishMs);
  }

  #advance(): void {
    if (this.#words === undefined || this.#waiting || this.#over) return;
    if (this.#moved) {
      this.#moved = false;
      this.#waiting = true;
      this.#say(this.#words.position(this.#place.x, this.#place.y, this.offer.sourceActions));
    } else if (this.#dropped && !this.#dropTold) {
      if (!this.#accepted) {
        this.end();
        return;
      }
      this.#dropTold = true;
      this.#say(this.#words.drop());
    }
  }

  #say(event: Uint8Array): void {
    const { x } = this.options.side;
    x.send(sendEvent(this.#to, event));
    x.flush();
  }

  #accept(accepted: boolean, action: number): void {
    const { relay, offer, serial } = this.options;
    const object = offer.object as RelayObject<'wl_data_offer'>;
    if (offer.ended || relay.closed) return;
    this.#refused = !accepted;
    relay.request(object, 'accept', { serial, mime_type: accepted ? offer.types[0] : undefined });
    if (object.version >= ACTIONS_SINCE) {
      const wanted = accepted && action === none ? copy : action;
      relay.request(object, 'set_actions', { dnd_actions: wanted, preferred_action: wanted });
    }
    relay.flush();
  }
}
