/** One child of the X screen's root window, as the server and its client have described it. */
import type { ActivationWish } from './activation.js';
import type { Geometry } from './events.js';
import type { Popup } from './popup.js';
import { noProperties } from './properties.js';
import type { Size, Surface } from './surfaces.js';
import type { Toplevel } from './toplevel.js';
import { NO_STATES, type ToplevelStates } from './toplevel-states.js';

export class XWindow {
  /** Without a border: that is taken away. */
  geometry: Geometry;
  overrideRedirect: boolean;
  mapped = false;
  readonly properties = noProperties();
  /** Properties that were asked for and have not come: nothing is shown before. */
  awaited = 0;
  /** Properties that were asked for, by atom; true: they have changed since. */
  readonly asked = new Map<number, boolean>();
  surface: Surface | undefined;
  /** Where it takes the pointer, in X pixels; undefined: everywhere. */
  shape: readonly Geometry[] | undefined;
  /** What it is on the compositor's side. */
  toplevel: Toplevel | undefined;
  popup: Popup | undefined;
  /** The window that its popup lies on, a toplevel or a popup. */
  below: XWindow | undefined;
  /** When the user did something in it last, counted in such deeds; 0: never. */
  used = 0;
  states: ToplevelStates = NO_STATES;
  /** What it had before its size was the compositor's to choose: some leave it to the window to go back to that. */
  ownSize: Size | undefined;
  /** The size that its client has given it, and what was shown before: until the compositor has seen a picture of it. */
  wanted: { readonly size: Size; readonly before: Size | undefined } | undefined;
  /** The client is told so. */
  minimized = false;
  /** The compositor was told that it can have no other size. */
  pinned = false;
  /** The client says that it blocks the window that it belongs to. */
  modal = false;
  /** What the client was told of its states last. */
  told: { readonly states: string; readonly minimized: boolean } | undefined;
  /** When the compositor was asked to minimize it, by `performance.now`. */
  minimizing = -Infinity;
  /** It has said that it wants attention, and the compositor knows. */
  urgent = false;
  /** States that its client has asked for by messages before it was shown, by their atoms: what is to be done with each. */
  readonly wishes = new Map<number, number>();
  /** It is to be activated once it is shown. */
  early: ActivationWish | undefined;

  constructor(
    readonly id: number,
    geometry: Geometry,
    overrideRedirect: boolean,
  ) {
    this.geometry = geometry;
    this.overrideRedirect = overrideRedirect;
  }
}
