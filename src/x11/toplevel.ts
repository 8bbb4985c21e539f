/**
 * An X window as an `xdg_toplevel`. What the window says of itself goes to the compositor; what the compositor says of size
 * and states goes to the X side, by the {@link ToplevelOwner}.
 *
 * A configure is acknowledged by the first picture of the size that it asks for, as xdg-shell has it: until the X client has
 * drawn itself anew, pictures of the old size are of the old state. A client that keeps its size is waited for only so long.
 * Where its state has to have the size that was asked for (maximized, full screen), that counts as its window's all the same:
 * weston ends a connection that says another, and so all X programs.
 */
import type { RelayObject } from '../relay/object-map.js';
import type { SendValues } from '../relay/sent-values.js';
import type { Log } from '../observe/log.js';
import type { RequestArgs, RequestName } from '../wayland/message-types.js';
import { Description } from './description.js';
import type { WindowProperties } from './properties.js';
import { scaledDown, scaledUp } from './scale.js';
import type { Configured, Shell } from './shell.js';
import type { Size, Surface, SurfaceRole } from './surfaces.js';
import { TitleBar } from './title-bar.js';
import { movableSides } from './title-edges.js';
import { TITLE_BAR_HEIGHT } from './title-picture.js';
import type { TitleText } from './title-text.js';
import type { Press } from './user-input.js';
import { isExact, NO_STATES, statesOf, type ToplevelStates } from './toplevel-states.js';

/**
 * How long a window may go on with its old size before a configure is acknowledged without it, in milliseconds: compositors
 * show other windows of a changed layout after some 200.
 */
export const RESIZE_MS = 300;

/** Configures that may wait for a picture; the oldest is forgotten, since a later one stands for it. */
const MAX_UNACKNOWLEDGED = 32;

/** What is said to the X side. Sizes are X pixels. */
export interface ToplevelOwner {
  /**
   * It has this size and these states from now on. `size` undefined: the client may choose. Returns the size that it was
   * given, which is another one where it cannot have that and the compositor leaves it the choice.
   */
  configured(size: Size | undefined, states: ToplevelStates): Size | undefined;
  /** A picture of a size that is out of date may be on its way. */
  isChanging(): boolean;
  closeAsked(): void;
  /** A picture of it goes to the compositor, after this; `first`: none has before. */
  drawn(size: Size | undefined, first: boolean): void;
  /** Draws a title for a title bar; told now, later or never. */
  drawTitle?(title: string, drawn: (text: TitleText) => void): void;
}

export class Toplevel implements SurfaceRole, Configured {
  readonly xdgSurface: RelayObject<'xdg_surface'>;
  readonly toplevel: RelayObject<'xdg_toplevel'>;
  readonly description: Description;
  /** Where the compositor draws none. */
  readonly #bar: TitleBar | undefined;
  /** The client wants one. */
  #decorated = true;
  /** Those that the client lets be moved, as title-edges.ts has them. */
  #sides = 0;
  #title: { readonly words: string; text: TitleText | undefined } = { words: '', text: undefined };
  /** Of the configure that is being told. */
  #told: { readonly width: number; readonly height: number; readonly states: readonly number[] } | undefined;
  #size: Size | undefined;
  #states = NO_STATES;
  /** As the last one that was acknowledged says. */
  #acknowledged: Omit<Unacknowledged, 'serial'> = { states: NO_STATES, size: undefined, outer: undefined };
  /** Its window geometry, as the compositor was told: with the title bar. */
  #framed: { readonly width: number; readonly height: number; readonly top: number } | undefined;
  /** Those that wait for a picture, the oldest first. */
  #unacknowledged: Unacknowledged[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** The configure before said no size, and was not acknowledged. */
  #askedAgain = false;
  /** What it was asked to be, or not to be, where no configure has said so since. */
  readonly #wished: { fullscreen?: boolean | undefined; maximized?: boolean | undefined } = {};
  #closed = false;
  #mapped = false;

  /** `scale`: X pixels of a pixel of the compositor's. */
  constructor(
    private readonly shell: Shell,
    readonly surface: Surface,
    private readonly owner: ToplevelOwner,
    private readonly scale: number,
    private readonly log: Log,
  ) {
    const { relay, wmBase } = shell;
    this.xdgSurface = relay.inject('xdg_surface', wmBase.version, this);
    relay.request(wmBase, 'get_xdg_surface', { id: this.xdgSurface, surface: surface.object });
    this.toplevel = relay.inject('xdg_toplevel', wmBase.version, this);
    relay.request(this.xdgSurface, 'get_toplevel', { id: this.toplevel });
    this.description = new Description(shell, this);
    this.#bar = TitleBar.above(shell, surface.object, {
      closeAsked: () => owner.closeAsked(),
      toggleMaximized: () => this.setMaximized(!this.#states.maximized),
      setMinimized: () => this.setMinimized(),
      move: press => this.move(press),
      resize: (press, edges) => this.resize(press, edges),
      menu: (press, x, y) => this.#ask('show_window_menu', { ...press, x, y }),
    });
    surface.role = this;
  }

  /** How far its picture lies below the upper edge of its window geometry, in the compositor's pixels. */
  get top(): number {
    return this.#framed?.top ?? 0;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** It has a picture, and others may belong to it. */
  get mapped(): boolean {
    return this.#mapped && !this.#closed;
  }

  /** Its surface may be given a picture. */
  get shown(): boolean {
    return this.surface.shown && !this.#closed;
  }

  /** Has the compositor take over what was said. Before it has a picture: asks for the first configure. */
  commit(): void {
    this.shell.relay.request(this.surface.object, 'commit', {});
    this.shell.relay.flush();
  }

  /** What the window says of itself. `parent`: the window that it belongs to. */
  describe({ title, className, min, max, decorated }: WindowProperties, parent: Toplevel | undefined): void {
    if (this.#closed) return;
    const words = title ?? className ?? '';
    this.#setTitle(words);
    this.#setDecorated(decorated);
    const bar = this.#topOf(NO_STATES);
    const scaled = ({ width, height }: Size): Size => ({
      width: this.#down(width),
      height: height === 0 ? 0 : this.#down(height) + bar,
    });
    this.#sides = movableSides(min, max);
    const sizes = { min: scaled(min), max: scaled(max) };
    this.description.tell({ title: words, appId: className, ...sizes, decorated, parent });
  }

  setFullscreen(fullscreen: boolean): void {
    this.#wished.fullscreen = fullscreen;
    if (fullscreen) this.#ask('set_fullscreen', { output: undefined });
    else this.#ask('unset_fullscreen', {});
  }

  setMaximized(maximized: boolean): void {
    this.#wished.maximized = maximized;
    this.#ask(maximized ? 'set_maximized' : 'unset_maximized', {});
  }

  setMinimized(): void {
    this.#ask('set_minimized', {});
  }

  /** The user is to move it by the pointer. */
  move(press: Press): void {
    this.#ask('move', press);
  }

  /** The same with a size. `edges`: XdgToplevelResizeEdge. */
  resize(press: Press, edges: number): void {
    this.#ask('resize', { ...press, edges });
  }

  /** It blocks its parent; where the compositor shows such a thing. */
  setModal(modal: boolean): void {
    if (!this.#closed) this.description.setModal(modal);
  }

  /** What may move the keyboard to another window. */
  #ask<M extends RequestName<'xdg_toplevel'>>(request: M, args: SendValues<RequestArgs<'xdg_toplevel', M>>): void {
    if (this.#closed) return;
    this.shell.relay.request(this.toplevel, request, args);
    this.shell.dismissals.doubt();
  }

  // ---- what the compositor says ------------------------------------------------------------------------------------

  sized(width: number, height: number, states: readonly number[]): void {
    this.#told = { width, height, states };
    this.#states = statesOf(states);
    for (const state of ['fullscreen', 'maximized'] as const) {
      if (this.#wished[state] === this.#states[state]) this.#wished[state] = undefined;
    }
    const below = Math.max(height - this.#topOf(this.#states), 1);
    this.#size =
      width > 0 && height > 0 ? { width: scaledUp(width, this.scale), height: scaledUp(below, this.scale) } : undefined;
  }

  configure(serial: number): void {
    if (this.#closed || this.#asksAgain()) return;
    const size = this.owner.configured(this.#size, this.#states);
    const outer = this.#size && this.#told;
    const last = { serial, size, outer, states: this.#states };
    this.#unacknowledged.push(last);
    if (this.#unacknowledged.length > MAX_UNACKNOWLEDGED) this.#unacknowledged.shift();
    if (size === undefined || (fits(last, this.surface.size) && !this.owner.isChanging())) {
      this.#acknowledge();
      return;
    }
    const keeps = this.shell.guarded(() => {
      this.log.debug(`a window keeps its size: ${String(this.toplevel)} was to be ${size.width} x ${size.height}`);
      this.#acknowledge();
      this.shell.relay.flush();
    });
    this.#timer ??= setTimeout(keeps, RESIZE_MS);
    // The picture that waits is of another size. Only the state that is to come needs one of its own.
    if (this.surface.shown) return;
    if (isExact(this.#states)) this.surface.redraw();
    else this.#acknowledge();
  }

  closeAsked(): void {
    this.owner.closeAsked();
  }

  /**
   * A window that is maximized or full screen is told its size. weston says 0 x 0 to one that is maximized behind its being full
   * screen, and then ends who has any other. Asked again, it says the size. A compositor that says none twice means it. Where the
   * window is to leave that state, the compositor has been asked for that already.
   */
  #asksAgain(): boolean {
    const without = this.#mapped && isExact(this.#states) && this.#size === undefined;
    this.#askedAgain = without && !this.#askedAgain;
    if (!this.#askedAgain) return false;
    const { fullscreen } = this.#states;
    if (this.#wished[fullscreen ? 'fullscreen' : 'maximized'] === false) return true;
    if (fullscreen) this.setFullscreen(true);
    else this.setMaximized(true);
    this.shell.relay.flush();
    return true;
  }

  // ---- what Xwayland does ------------------------------------------------------------------------------------------

  committing(size: Size | undefined): void {
    const fitting = this.#unacknowledged.findIndex(one => fits(one, size));
    if (fitting >= 0) {
      this.#acknowledge(fitting, false);
      const { guarded } = this.shell;
      if (this.#unacknowledged.length > 0) queueMicrotask(guarded(() => this.#acknowledgeOthers()));
    }
    if (!this.surface.shown) return;
    this.#frame();
    const first = size !== undefined && !this.#mapped;
    if (first) {
      this.#mapped = true;
      this.shell.dismissals.doubt();
    }
    this.owner.drawn(size, first);
  }

  surfaceGone(): void {
    this.close();
  }

  /** Takes the window away from the compositor. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    const { relay } = this.shell;
    this.#bar?.close();
    this.description.close();
    relay.request(this.toplevel, 'destroy', {});
    this.shell.dismissals.doubt();
    relay.request(this.xdgSurface, 'destroy', {});
    this.surface.hide();
  }

  // ---- a title bar of our own --------------------------------------------------------------------------------------

  #topOf({ fullscreen }: ToplevelStates): number {
    return this.#bar !== undefined && this.#decorated && !fullscreen ? TITLE_BAR_HEIGHT : 0;
  }

  #setTitle(words: string): void {
    if (this.#bar === undefined || words === this.#title.words) return;
    const title = { words, text: undefined as TitleText | undefined };
    this.#title = title;
    this.owner.drawTitle?.(words, text => {
      title.text = text;
      if (this.#title !== title || !this.shown) return;
      this.#frame();
      this.commit();
    });
  }

  /** A window that gets or loses its bar keeps its outer size, where the compositor has said that. */
  #setDecorated(decorated: boolean): void {
    if (decorated === this.#decorated) return;
    this.#decorated = decorated;
    if (this.#bar === undefined || this.#told === undefined) return;
    const { width, height, states } = this.#told;
    this.sized(width, height, states);
    this.owner.configured(this.#size, this.#states);
  }

  /** Said before a commit: the bar is as wide as the picture, and belongs to the window. */
  #frame(): void {
    const { size } = this.surface;
    const bar = this.#bar;
    if (size === undefined || this.#closed) return;
    const { states, outer } = this.#acknowledged;
    const top = this.#topOf(states);
    const below = { width: scaledDown(size.width, this.scale), height: scaledDown(size.height, this.scale) };
    const sides = states.fixed ? 0 : this.#sides;
    if (top > 0) bar?.show(below, sides, this.#title.text, states.activated);
    else bar?.hide();
    const framed = { width: below.width, height: below.height + top };
    const { width, height } = isExact(states) ? (outer ?? framed) : framed;
    // Without anything said, the picture is the window.
    if (bar === undefined && this.#framed === undefined && width === framed.width && height === framed.height) return;
    if (this.#framed?.width === width && this.#framed.height === height && this.#framed.top === top) return;
    const moved = top !== (this.#framed?.top ?? 0);
    this.#framed = { width, height, top };
    const geometry = { x: 0, y: -top, width, height };
    this.shell.relay.request(this.xdgSurface, 'set_window_geometry', geometry);
    if (moved) this.description.tellBounds();
  }

  /**
   * After a picture was committed: the configures that it fits as well, each with a commit of its own. sway gives a size, and
   * says next that the window is active; it goes on when it sees the serial of the size, and not by a later one.
   */
  #acknowledgeOthers(): void {
    const fitting = (): number => this.#unacknowledged.findIndex(one => fits(one, this.surface.size));
    while (!this.#closed && this.surface.shown && fitting() >= 0) this.#acknowledge(fitting());
    this.shell.relay.flush();
  }

  /** `commit`: no picture follows that would take it over. */
  #acknowledge(last = this.#unacknowledged.length - 1, commit = true): void {
    const { serial } = (this.#acknowledged = this.#unacknowledged[last]!);
    // It stands for all before it.
    this.#unacknowledged.splice(0, last + 1);
    if (this.#unacknowledged.length === 0) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
    }
    const { relay } = this.shell;
    relay.request(this.xdgSurface, 'ack_configure', { serial });
    if (!this.surface.shown) this.surface.show();
    else if (commit) {
      this.#frame();
      relay.request(this.surface.object, 'commit', {});
    }
  }

  #down(side: number): number {
    return Math.floor(side / this.scale);
  }
}

/** A configure that waits for a picture. */
interface Unacknowledged {
  readonly serial: number;
  readonly size: Size | undefined;
  /** As the compositor said it: in its pixels, with a title bar. Undefined: it said none. */
  readonly outer: Size | undefined;
  readonly states: ToplevelStates;
}

function fits({ size: wanted }: Pick<Unacknowledged, 'size'>, size: Size | undefined): boolean {
  return wanted === undefined || (size?.width === wanted.width && size.height === wanted.height);
}
