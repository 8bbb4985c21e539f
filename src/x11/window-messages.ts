/**
 * What X clients ask a window manager for by messages: states, the focus, to be moved or closed. A client may send these
 * about any window; the X server keeps its clients no secrets from each other, and neither do we. The compositor decides.
 */
import { XdgToplevelResizeEdge } from '../wayland/protocols/xdg-shell.js';
import type { Atoms } from './atoms.js';
import type { Closing } from './closing.js';
import type { Focus } from './focus.js';
import type { Shell } from './shell.js';
import type { Press } from './title-bar.js';
import type { WindowStates } from './window-states.js';
import type { XWindow } from './window.js';

/** Directions of _NET_WM_MOVERESIZE, from the upper left clockwise; then: move. */
const EDGES = ['top_left', 'top', 'top_right', 'right', 'bottom_right', 'bottom', 'bottom_left', 'left'] as const;
const MOVE = 8;

/** What is done with a state. */
const REMOVE = 0;
const ADD = 1;
const TOGGLE = 2;

export interface WindowMessagesOptions {
  readonly atoms: Atoms;
  readonly shell: Shell;
  readonly focus: Focus;
  readonly closing: Closing;
  readonly windowOf: (id: number) => XWindow | undefined;
  readonly states: WindowStates;
}

export class WindowMessages {
  readonly #options: WindowMessagesOptions;
  /** The button that the user has pressed last: what moves and resizes by the pointer begin with. */
  press: Press | undefined;
  /** A token is on its way: a client may ask as often as it likes. */
  #activating = false;

  constructor(options: WindowMessagesOptions) {
    this.#options = options;
  }

  /** A ClientMessage of format 32. */
  message(id: number, type: number, data: readonly number[]): void {
    const { atoms, shell, closing, windowOf } = this.#options;
    const [first = 0, second = 0, third = 0] = data;
    if (type === atoms.WM_PROTOCOLS && first === atoms._NET_WM_PING) {
      // It comes back by the root window, and names its own.
      const asked = windowOf(third);
      if (asked !== undefined) closing.answered(asked);
      return;
    }
    const window = windowOf(id);
    if (window === undefined) return;
    if (window.toplevel === undefined) {
      if (type === atoms._NET_WM_STATE) this.#wishedEarly(window, [second, third], first);
      else if (type === atoms.WM_CHANGE_STATE && first === 3)
        this.#wishedEarly(window, [atoms._NET_WM_STATE_HIDDEN], ADD);
      return;
    }
    switch (type) {
      case atoms._NET_WM_STATE:
        this.wished(window, [second, third], first);
        break;
      case atoms.WM_CHANGE_STATE:
        if (first === 3) this.minimize(window);
        break;
      case atoms._NET_ACTIVE_WINDOW:
        this.#activate(window, true);
        break;
      case atoms._NET_CLOSE_WINDOW:
        closing.close(window);
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
    if (states.includes(atoms._NET_WM_STATE_DEMANDS_ATTENTION) && change !== REMOVE) this.demandAttention(window);
  }

  /** The window is shown now: what its client has asked for while it was mapped, and was not yet, is done. */
  wishedBefore(window: XWindow): void {
    for (const [state, change] of window.wishes) this.wished(window, [state], change);
    window.wishes.clear();
  }

  /** Clients ask as soon as the X server has mapped their window; we show it later. */
  #wishedEarly(window: XWindow, states: readonly number[], change: number): void {
    const { atoms } = this.#options;
    if (!window.mapped || window.overrideRedirect) return;
    const known = [
      atoms._NET_WM_STATE_FULLSCREEN,
      ...[atoms._NET_WM_STATE_MAXIMIZED_HORZ, atoms._NET_WM_STATE_MAXIMIZED_VERT],
      ...[atoms._NET_WM_STATE_HIDDEN, atoms._NET_WM_STATE_DEMANDS_ATTENTION],
    ];
    for (const state of states) if (known.includes(state)) window.wishes.set(state, change);
  }

  /**
   * Has the compositor show that a window wants attention. The token says nothing of who asks: a compositor that gives the
   * keyboard to whom the user has just clicked would give it away, for a message that has come.
   */
  demandAttention(window: XWindow): void {
    this.#activate(window, false);
  }

  /**
   * Asks the compositor to activate a window. With `who`, the token says who asks: the window with the focus, where there is
   * one, and what the user has pressed; a compositor that finds this not enough shows that the window wants attention.
   */
  #activate(window: XWindow, who: boolean): void {
    const { shell, focus } = this.#options;
    const activation = shell.global('xdg_activation_v1');
    if (activation === undefined || window.states.activated || this.#activating) return;
    this.#activating = true;
    const { relay } = shell;
    const press = who ? this.press : undefined;
    const from = who ? focus.window?.surface : undefined;
    const token = relay.inject('xdg_activation_token_v1', activation.version);
    token.data = {
      token: (text: string) => {
        this.#activating = false;
        relay.request(token, 'destroy', {});
        const surface = window.surface;
        if (surface !== undefined) relay.request(activation, 'activate', { token: text, surface: surface.object });
        relay.flush();
      },
    };
    relay.request(activation, 'get_activation_token', { id: token });
    // A seat may have been unplugged since.
    if (press?.seat.destroyed === false) relay.request(token, 'set_serial', press);
    if (from !== undefined) relay.request(token, 'set_surface', { surface: from.object });
    relay.request(token, 'commit', {});
  }

  minimize(window: XWindow): void {
    window.toplevel!.setMinimized();
    this.#options.states.minimizing(window);
  }

  #moveOrResize(window: XWindow, direction: number): void {
    const { press } = this;
    if (press === undefined || press.seat.destroyed) return;
    const { relay } = this.#options.shell;
    const { toplevel } = window.toplevel!;
    const edge = EDGES[direction];
    if (direction === MOVE) relay.request(toplevel, 'move', press);
    else if (edge !== undefined) {
      relay.request(toplevel, 'resize', { ...press, edges: XdgToplevelResizeEdge[edge] });
    }
  }
}
