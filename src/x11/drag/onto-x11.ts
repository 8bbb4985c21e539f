/**
 * What Wayland programs drag over X windows: the compositor says on Xwayland's connection that something has come, and we
 * say it to the X window, as the owner of XdndSelection. One at a time.
 */
import type { RelayObject } from '../../relay/object-map.js';
import type { Relay } from '../../relay/relay.js';
import { selectionNotify, type SelectionTransfer } from '../events.js';
import { property } from '../replies.js';
import { changeProperty, changeWords, createWindow, getProperty, sendEvent, setSelectionOwner } from '../requests.js';
import type { Answerable, Answers } from '../selections/answers.js';
import { targetsOf } from '../selections/targets.js';
import { CLIPBOARD } from '../selections/wayland-devices.js';
import type { Offer } from '../selections/wayland-selection.js';
import type { XSide } from '../selections/x-side.js';
import { wordsOf } from '../wire.js';
import type { DragAtoms } from './messages.js';
import { OverWindow, type Place } from './over-window.js';

/** Where a surface is in the X screen. */
export interface SurfacePlace extends Place {
  readonly window: number;
  /** Pixels of X11 in one of the compositor's. */
  readonly scale: number;
}

export interface OntoX11Options {
  readonly side: XSide;
  readonly atoms: DragAtoms;
  readonly answers: Answers;
  readonly relay: Relay;
  /** Undefined: it is no window's. */
  readonly placeOf: (surface: RelayObject) => SurfacePlace | undefined;
  readonly finishMs: number;
  /** Whether data is on its way. */
  readonly busy: () => boolean;
}

export class OntoX11 {
  /** The source, as X windows see it. */
  readonly window: number;
  #drag: OverWindow | undefined;
  #surface: RelayObject | undefined;
  #answerable: Answerable | undefined;

  constructor(private readonly options: OntoX11Options) {
    const { x, root } = options.side;
    this.window = x.newId();
    x.send(createWindow(this.window, root, true));
  }

  // ---- what the compositor says ------------------------------------------------------------------------------------

  /** Places are of the surface, in units of the compositor's. False: no window is told, and the offer is not taken. */
  enter(serial: number, surface: RelayObject, x: number, y: number, offer: Offer): boolean {
    this.#drag?.end();
    const { side, atoms, placeOf, relay, finishMs, busy } = this.options;
    const place = placeOf(surface);
    if (place === undefined || offer.types.length === 0) return false;
    const target = place.window;
    const ended = (): void => {
      if (this.#drag !== drag) return;
      // The selection stays ours until somebody drags, and there is nothing to be had.
      this.#drag = undefined;
      this.#answerable = undefined;
    };
    const all = { side, atoms, relay, offer, serial, source: this.window, target, finishMs, busy, ended };
    const drag: OverWindow = new OverWindow(all, inRoot(place, x, y));
    this.#drag = drag;
    this.#surface = surface;
    const targets = targetsOf(offer.types);
    side.names.atoms([...targets.keys()], found => {
      if (this.#drag !== drag) return;
      const byAtom = new Map<number, string>();
      for (const [name, atom] of found) byAtom.set(atom, targets.get(name)!);
      this.#own(offer, byAtom);
      this.#aware(target, (to, version) => drag.begin(to, version, [...byAtom.keys()]));
    });
    side.x.flush();
    return true;
  }

  motion(x: number, y: number): void {
    const place = this.#surface && this.options.placeOf(this.#surface);
    if (place !== undefined) this.#drag?.move(inRoot(place, x, y));
  }

  /** Of what was dropped, this says nothing. */
  leave(): void {
    if (this.#drag?.dropped === false) this.#drag.end();
  }

  drop(): void {
    this.#drag?.drop();
  }

  // ---- what X clients say ------------------------------------------------------------------------------------------

  message(type: number, data: readonly number[]): void {
    const { atoms } = this.options;
    if (type === atoms.XdndStatus) this.#drag?.status(data);
    else if (type === atoms.XdndFinished) this.#drag?.finished(data);
    this.options.relay.flush();
  }

  /** An X client wants the data. */
  requested(request: SelectionTransfer): void {
    const { side, atoms, answers } = this.options;
    this.#drag?.asked();
    if (request.target === atoms.DELETE && this.#answerable !== undefined && request.property !== 0) {
      // By this a window says that it has moved something here; the Wayland program is told by XdndFinished.
      side.x.send(changeProperty(request.requestor, request.property, atoms.NULL, 32, new Uint8Array(0)));
      side.x.send(sendEvent(request.requestor, selectionNotify(request)));
    } else answers.request(request, this.#answerable);
  }

  close(): void {
    this.#drag?.end();
  }

  #own(offer: Offer, targets: ReadonlyMap<number, string>): void {
    const { side, atoms, relay } = this.options;
    this.#answerable = {
      name: 'what is dragged',
      since: 0,
      targets,
      receive: (type, sink) => {
        if (offer.ended || relay.closed) {
          sink.close();
          return false;
        }
        CLIPBOARD.receive(relay, offer.object, type, sink);
        relay.flush();
        return true;
      },
    };
    side.x.send(changeWords(this.window, atoms.XdndTypeList, side.atoms.ATOM, [...targets.keys()]));
    side.x.send(setSelectionOwner(this.window, atoms.XdndSelection));
  }

  /** Who is told what is dragged over a window, and in what version; 0: it takes nothing. */
  #aware(window: number, known: (to: number, version: number) => void): void {
    const { atoms } = this.options;
    this.#word(window, atoms.XdndProxy, proxy => {
      const aware = (to: number): void => this.#word(to, atoms.XdndAware, version => known(to, version & 0xff));
      if (proxy === 0) aware(window);
      // One that does not name itself is left over of a program that is gone.
      else this.#word(proxy, atoms.XdndProxy, itself => aware(itself === proxy ? proxy : window));
    });
  }

  #word(window: number, atom: number, known: (value: number) => void): void {
    const { x } = this.options.side;
    x.ask(
      getProperty(window, atom, 4),
      reply => {
        const { format, value } = property(reply);
        known(format === 32 ? (wordsOf(value)[0] ?? 0) : 0);
      },
      () => known(0),
    );
    x.flush();
  }
}

function inRoot({ x, y, scale }: SurfacePlace, surfaceX: number, surfaceY: number): Place {
  return { x: x + Math.round(surfaceX * scale), y: y + Math.round(surfaceY * scale) };
}
