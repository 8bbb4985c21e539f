/**
 * Drag and drop between X11 programs and Wayland ones, both ways. What the compositor says of a drag over Xwayland's
 * surfaces goes to the X window there, or, of a drag that an X client has begun, to that; what X clients say goes to the drag
 * that it is about. One drag each way: a seat has no more.
 */
import { randomBytes } from 'node:crypto';
import type { Concern } from '../../relay/chain.js';
import type { RelayObject } from '../../relay/object-map.js';
import type { SelectionTransfer } from '../events.js';
import { property } from '../replies.js';
import { getProperty } from '../requests.js';
import type { Answers } from '../selections/answers.js';
import { MAX_TARGETS } from '../selections/limits.js';
import { mimeTypesOf } from '../selections/targets.js';
import type { Transfers } from '../selections/transfers.js';
import type { Offer } from '../selections/wayland-selection.js';
import type { XSide } from '../selections/x-side.js';
import type { Shell } from '../shell.js';
import { wordsOf } from '../wire.js';
import { dragsConcern } from './concern.js';
import { HeldPointer, type Press } from './held-pointer.js';
import type { DragAtoms } from './messages.js';
import { OntoX11, type SurfacePlace } from './onto-x11.js';
import { DragQuestions } from './questions.js';
import { ScreenWindow } from './screen-window.js';
import { actionsOf, XDrag } from './x-drag.js';

/**
 * How long whoever has dropped something, or takes it, may take to the end while no data moves, in milliseconds. Programs ask
 * the user what to do with it; what is dragged is held until then.
 */
export const FINISH_MS = 30_000;

/** First version of wl_data_device_manager by which a source is told of the drop, and of its end. */
const ENDS_SINCE = 3;

/** Actions that are heard of one drag: there are five. */
const MAX_ACTIONS = 16;

/** What there is of Xwayland's windows. */
export interface DragScreen {
  /** Where a surface is in the X screen; undefined: it is no window's. */
  placeOf(surface: RelayObject): SurfacePlace | undefined;
  /** Puts the window of a surface above the others, and calls `done` when it is. */
  raise(surface: RelayObject, done: () => void): void;
  /** A window of ours is about to be made, which is not to be shown. */
  ownWindow(id: number): void;
}

export interface DragsOptions {
  readonly shell: Shell;
  readonly screen: DragScreen;
  readonly seat: () => RelayObject | undefined;
  /** The compositor's for that seat. */
  readonly device: () => RelayObject | undefined;
  /** How long a side may take after the drop, in milliseconds. Default: {@link FINISH_MS}. */
  readonly finishMs?: number | undefined;
}

/** The X side, once there is one. */
interface Begun {
  readonly side: XSide;
  readonly atoms: DragAtoms;
  readonly transfers: Transfers;
  readonly onto: OntoX11;
  readonly questions: DragQuestions;
  readonly cover: ScreenWindow;
}

export class Drags {
  /** For the relay of the X server. */
  readonly concern: Concern;
  /** A kind of data by which drags of this X server are known. */
  readonly #mark = `application/x-virtwl-x11-drag.${randomBytes(8).toString('hex')}`;
  readonly #pointer: HeldPointer;
  #begun: Begun | undefined;
  #xDrag: XDrag | undefined;
  /**
   * Of what is over a surface and told to no window by us. To let go of an offer before it has left is to cancel the drag, for
   * wlroots.
   */
  #untold: Offer | undefined;
  /** What is over a surface is our own drag. */
  #own = false;
  /** What was asked last about a drag that may begin. */
  #asking: object | undefined;
  /** Told what the owner of XdndSelection says to our window that it has: it has not said it before. */
  #entered: ((types: readonly number[]) => void) | undefined;
  /** The press that a drag was begun by. */
  #used: Press | undefined;

  constructor(private readonly options: DragsOptions) {
    const { shell, seat } = options;
    this.#pointer = new HeldPointer(
      () => shell.relay,
      seat,
      () => this.#came(),
    );
    this.concern = dragsConcern(this.#pointer, {
      enter: (serial, surface, x, y, offer) => this.#enter(serial, surface, x, y, offer),
      motion: (x, y) => {
        if (this.#own) this.#xDrag?.motion(x, y);
        else this.#begun?.onto.motion(x, y);
      },
      leave: () => this.#leave(),
      drop: () => {
        if (!this.#own) this.#begun?.onto.drop();
      },
    });
  }

  /** The X server has answered what there is to know. */
  begin(side: XSide, atoms: DragAtoms, answers: Answers, transfers: Transfers): void {
    const { shell, screen, finishMs = FINISH_MS } = this.options;
    const { x, root } = side;
    const placeOf = (surface: RelayObject): SurfacePlace | undefined => screen.placeOf(surface);
    const busy = (): boolean => transfers.count > 0;
    const onto = new OntoX11({ side, atoms, answers, relay: shell.relay, placeOf, finishMs, busy });
    const cover = new ScreenWindow(x, root, atoms.XdndAware, side.atoms.ATOM, id => screen.ownWindow(id));
    const questions = new DragQuestions(side, atoms.XdndSelection);
    this.#begun = { side, atoms, transfers, onto, questions, cover };
  }

  close(): void {
    this.#asking = undefined;
    this.#xDrag?.end();
    this.#begun?.questions.close();
    this.#begun?.onto.close();
    this.#begun = undefined;
  }

  // ---- what the compositor says ------------------------------------------------------------------------------------

  #enter(serial: number, surface: RelayObject, x: number, y: number, offer: Offer): void {
    this.#leave();
    this.#own = offer.types.includes(this.#mark);
    const told = !this.#own && this.#begun?.onto.enter(serial, surface, x, y, offer) === true;
    if (!told) this.#untold = offer;
    if (this.#own) this.#xDrag?.enter(surface, x, y);
  }

  #leave(): void {
    const offer = this.#untold;
    this.#untold = undefined;
    if (offer !== undefined) offer.selection.endOffer(offer);
    if (this.#own) this.#xDrag?.leave();
    else this.#begun?.onto.leave();
    this.#own = false;
  }

  /** The pointer is over an X window: nothing of ours may be above that. */
  #came(): void {
    this.#entered = undefined;
    this.#begun?.cover.hide();
    this.#begun?.side.x.flush();
  }

  // ---- what the X server and its clients say -----------------------------------------------------------------------

  /** XdndSelection has another owner; 0: none. */
  owned(owner: number): void {
    if (this.#begun === undefined || owner === this.#begun.onto.window) return;
    this.#xDrag?.ownerGone();
    this.#asking = undefined;
    if (this.#entered !== undefined) this.#came();
    const { press } = this.#pointer;
    // A button is one drag's. Whoever takes the selection without one has its reasons, and drags nothing.
    if (owner !== 0 && press !== undefined && press !== this.#used) this.#ask(this.#begun, owner, press);
  }

  message(window: number, type: number, data: readonly number[]): void {
    if (this.#begun === undefined) return;
    const { onto, cover, atoms, side } = this.#begun;
    if (window === onto.window) onto.message(type, data);
    else if (window === cover.id && type === atoms.XdndEnter && this.#entered !== undefined) this.#entered(data);
    else if (window === cover.id && this.#xDrag !== undefined) this.#xDrag.message(type, data);
    else if (window === cover.id && (type === atoms.XdndLeave || type === atoms.XdndDrop)) {
      cover.hide();
      side.x.flush();
    }
  }

  /** An X client wants what a Wayland program drags. */
  requested(request: SelectionTransfer): void {
    this.#begun?.onto.requested(request);
  }

  /** An owner has answered somebody. */
  told(transfer: SelectionTransfer): void {
    this.#begun?.questions.told(transfer);
  }

  /**
   * What is it, and what may be done with it? Clients say the one or the other before they drag. Qt names up to three kinds of
   * data only to a window that it drags over, so one of ours is put there first.
   */
  #ask(begun: Begun, owner: number, press: Press): void {
    const { side, atoms, questions } = begun;
    const asking = (this.#asking = {});
    const list = (atom: number, most: number, then: (words: readonly number[]) => void): void => {
      const known = (words: readonly number[]): void => {
        if (this.#asking === asking) then(words);
      };
      side.x.ask(
        getProperty(owner, atom, 4 * most),
        reply => {
          const { format, value } = property(reply);
          known(format === 32 ? wordsOf(value) : []);
        },
        () => known([]),
      );
      side.x.flush();
    };
    list(atoms.XdndActionList, MAX_ACTIONS, actions => {
      const named = (found: ReadonlyMap<string, number> | undefined): void => {
        if (this.#asking === asking && found !== undefined) this.#start(begun, owner, press, actions, found);
      };
      list(atoms.XdndTypeList, MAX_TARGETS, types => {
        if (types.length > 0) side.names.names(types, named);
        else {
          questions.ask(owner, found => {
            const held = this.#asking === asking && this.#pointer.press === press;
            if (found === undefined && held) this.#cover(begun, owner, named);
            else named(found);
          });
        }
      });
    });
  }

  /** Puts our window below the pointer, and has the names of what `owner` tells it. */
  #cover({ cover, side }: Begun, owner: number, named: (found: ReadonlyMap<string, number>) => void): void {
    this.#entered = ([source, , ...types]) => {
      if (source !== owner) return;
      this.#entered = undefined;
      side.names.names(
        types.filter(type => type !== 0),
        named,
      );
    };
    cover.show();
    side.x.flush();
  }

  #start(
    begun: Begun,
    owner: number,
    press: Press,
    actions: readonly number[],
    found: ReadonlyMap<string, number>,
  ): void {
    const { shell, screen, finishMs = FINISH_MS } = this.options;
    const { side, atoms, transfers, cover } = begun;
    this.#asking = undefined;
    const manager = shell.global('wl_data_device_manager');
    const device = this.options.device();
    const targets = new Map<string, number>();
    for (const [type, target] of mimeTypesOf([...found.keys()])) {
      if (targets.size < MAX_TARGETS - 1) targets.set(type, found.get(target)!);
    }
    const released = this.#pointer.press !== press;
    const known = manager !== undefined && manager.version >= ENDS_SINCE && device !== undefined;
    if (!known || released || targets.size === 0 || shell.relay.closed || press.surface.destroyed) {
      cover.hide();
      side.x.flush();
      return;
    }
    this.#used = press;
    const drag: XDrag = new XDrag({
      ...{ side, atoms, shell, transfers, press, owner, targets, finishMs },
      ...{ device: device as RelayObject<'wl_data_device'>, pointer: this.#pointer, screen: cover, mark: this.#mark },
      actions: actionsOf(atoms, actions),
      client: cover.shown ? owner : 0,
      placeOf: surface => screen.placeOf(surface),
      raise: (surface, done) => screen.raise(surface, done),
      ended: () => {
        if (this.#xDrag === drag) this.#xDrag = undefined;
      },
    });
    this.#xDrag = drag;
  }
}
