/**
 * What X clients ask a window manager for by messages: states, the focus, to be moved or closed. A client may send these
 * about any window; the X server keeps its clients no secrets from each other, and neither do we. The compositor decides.
 */
import { XdgToplevelResizeEdge } from '../wayland/protocols/xdg-shell.js';
import type { Activation } from './activation.js';
import type { Atoms } from './atoms.js';
import type { Closing } from './closing.js';
import type { XConnection } from './connection.js';
import { changeWords } from './requests.js';
import type { Shell } from './shell.js';
import type { Press } from './user-input.js';
import { ICONIC_STATE, type WindowStates } from './window-states.js';
import type { XWindow } from './window.js';

/** Directions of _NET_WM_MOVERESIZE, from the upper left clockwise; then: move. */
const EDGES = ['top_left', 'top', 'top_right', 'right', 'bottom_right', 'bottom', 'bottom_left', 'left'] as const;
const MOVE = 8;

/** A frame on no side: who draws one, we or the compositor, draws it outside of what X programs know as their window. */
export const NO_FRAME = [0, 0, 0, 0];

/** What is done with a state. */
export const REMOVE = 0;
const ADD = 1;
const TOGGLE = 2;

export interface WindowMessagesOptions {
  readonly x: Pick<XConnection, 'send'>;
  readonly atoms: Atoms;
  readonly shell: Shell;
  readonly activation: Activation;
  readonly closing: Closing;
  readonly windowOf: (id: number) => XWindow | undefined;
  readonly states: WindowStates;
}

export class WindowMessages {
  readonly #options: WindowMessagesOptions;
  /** The button that the user has pressed last: what moves and resizes by the pointer begin with. */
  press: Press | undefined;

  constructor(options: WindowMessagesOptions) {
    this.#options = options;
  }

  /** A ClientMessage of format 32. */
  message(id: number, type: number, data: readonly number[]): void {
    const { x, atoms, shell, closing, activation, windowOf } = this.#options;
    const [first = 0, second = 0, third = 0] = data;
    if (type === atoms.WM_PROTOCOLS && first === atoms._NET_WM_PING) {
      // It comes back by the root window, and names its own.
      const asked = windowOf(third);
      if (asked !== undefined) closing.answered(asked);
      return;
    }
    const window = windowOf(id);
    if (window === undefined) return;
    const shown = window.toplevel !== undefined;
    // Nobody manages menus: nothing is done for them later either.
    if (!shown && window.overrideRedirect) return;
    switch (type) {
      case atoms._NET_WM_STATE:
        if (shown) this.wished(window, [second, third], first);
        else this.#wishedEarly(window, [second, third], first);
        break;
      case atoms.WM_CHANGE_STATE:
        if (first !== ICONIC_STATE) break;
        if (shown) this.minimize(window);
        else this.#wishedEarly(window, [atoms._NET_WM_STATE_HIDDEN], ADD);
        break;
      case atoms._NET_ACTIVE_WINDOW:
        activation.wanted(window, this.press);
        break;
      case atoms._NET_REQUEST_FRAME_EXTENTS:
        // Toolkits ask before they map a window, and wait for the answer.
        x.send(changeWords(id, atoms._NET_FRAME_EXTENTS, atoms.CARDINAL, NO_FRAME));
        break;
      case atoms._NET_CLOSE_WINDOW:
        if (window.mapped) closing.close(window);
        break;
      case atoms._NET_WM_MOVERESIZE:
        this.#moveOrResize(window, third);
        break;
      default:
    }
    shell.relay.flush();
  }

  /** The client wants these states (atoms) removed, added or toggled. */
  wished(window: XWindow, states: readonly number[], change: number): void {
    const { atoms } = this.#options;
    const { toplevel, states: now } = window;
    const wants = (is: boolean): boolean => (change === TOGGLE ? !is : change === ADD);
    if (states.includes(atoms._NET_WM_STATE_FULLSCREEN)) toplevel!.setFullscreen(wants(now.fullscreen));
    if ([atoms._NET_WM_STATE_MAXIMIZED_HORZ, atoms._NET_WM_STATE_MAXIMIZED_VERT].some(one => states.includes(one))) {
      toplevel!.setMaximized(wants(now.maximized));
    }
    if (states.includes(atoms._NET_WM_STATE_HIDDEN) && wants(window.minimized)) this.minimize(window);
    if (states.includes(atoms._NET_WM_STATE_MODAL)) {
      window.modal = wants(window.modal);
      toplevel!.setModal(window.modal);
      this.#options.states.tell(window);
    }
    if (states.includes(atoms._NET_WM_STATE_DEMANDS_ATTENTION) && change !== REMOVE) this.demandAttention(window);
  }

  /**
   * The window is about to be shown: what its client has asked for until then is done, by the property that it has set and by
   * messages after that.
   */
  wishedBefore(window: XWindow): void {
    this.wished(window, window.properties.states, ADD);
    if (window.properties.startsIconic) this.minimize(window);
    for (const [state, change] of window.wishes) this.wished(window, [state], change);
    window.wishes.clear();
  }

  /** Clients ask before they map their window, or as soon as the X server has done so; we show it later. */
  #wishedEarly(window: XWindow, states: readonly number[], change: number): void {
    const { atoms } = this.#options;
    const known = [
      atoms._NET_WM_STATE_FULLSCREEN,
      ...[atoms._NET_WM_STATE_MAXIMIZED_HORZ, atoms._NET_WM_STATE_MAXIMIZED_VERT],
      ...[atoms._NET_WM_STATE_HIDDEN, atoms._NET_WM_STATE_DEMANDS_ATTENTION, atoms._NET_WM_STATE_MODAL],
    ];
    for (const state of states) if (known.includes(state)) window.wishes.set(state, change);
  }

  /** Has the compositor show that a window wants attention. */
  demandAttention(window: XWindow): void {
    this.#options.activation.attention(window);
  }

  minimize(window: XWindow): void {
    window.toplevel!.setMinimized();
    this.#options.states.minimizing(window);
  }

  #moveOrResize(window: XWindow, direction: number): void {
    const { press } = this;
    const { toplevel } = window;
    // Before its first configure, wlroots takes this for a mistake.
    if (toplevel?.shown !== true || press === undefined || press.seat.destroyed) return;
    const edge = EDGES[direction];
    if (direction === MOVE) toplevel.move(press);
    else if (edge !== undefined) toplevel.resize(press, XdgToplevelResizeEdge[edge]);
  }
}
