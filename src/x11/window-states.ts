/**
 * What clients are told of the states of their windows: `_NET_WM_STATE` and `WM_STATE`. The compositor says most of them. That
 * it has minimized a window it does not say: of one that was active it is known by its not being active any more.
 */
import type { Atoms } from './atoms.js';
import type { XConnection } from './connection.js';
import { changeWords } from './requests.js';
import { NO_STATES, type ToplevelStates } from './toplevel-states.js';
import type { XWindow } from './window.js';

/** `WM_STATE`. */
export const NORMAL_STATE = 1;
export const ICONIC_STATE = 3;

/** How long the compositor may take to make a window inactive that it minimizes, in milliseconds: it may show that first. */
export const MINIMIZE_MS = 1_000;

export class WindowStates {
  constructor(
    private readonly x: Pick<XConnection, 'send'>,
    private readonly atoms: Atoms,
  ) {}

  /** The compositor says them anew. */
  configured(window: XWindow, states: ToplevelStates): void {
    const { activated } = window.states;
    window.states = states;
    if (states.activated) window.minimized = false;
    else if (activated && performance.now() - window.minimizing < MINIMIZE_MS) window.minimized = true;
    this.tell(window);
  }

  /** The compositor was asked to minimize it. Some cannot, and a program that believes to be hidden may draw nothing. */
  minimizing(window: XWindow): void {
    window.minimizing = performance.now();
    if (window.states.activated) return;
    window.minimized = true;
    this.tell(window);
  }

  /** The window is not shown any more. */
  forget(window: XWindow): void {
    window.states = NO_STATES;
    window.modal = false;
    window.told = undefined;
    window.minimized = false;
    window.minimizing = -Infinity;
  }

  /** Says them, where that is not what was said last. Not before the window is shown. */
  tell(window: XWindow): void {
    const { x, atoms } = this;
    if (window.toplevel === undefined) return;
    const { maximized, fullscreen, activated, tiled } = window.states;
    const states = [
      ...(maximized || tiled ? [atoms._NET_WM_STATE_MAXIMIZED_HORZ, atoms._NET_WM_STATE_MAXIMIZED_VERT] : []),
      ...(fullscreen ? [atoms._NET_WM_STATE_FULLSCREEN] : []),
      ...(activated ? [atoms._NET_WM_STATE_FOCUSED] : []),
      ...(window.minimized ? [atoms._NET_WM_STATE_HIDDEN] : []),
      ...(window.modal ? [atoms._NET_WM_STATE_MODAL] : []),
    ];
    const told = states.join();
    const before = window.told;
    window.told = { states: told, minimized: window.minimized };
    if (before?.states !== told) x.send(changeWords(window.id, atoms._NET_WM_STATE, atoms.ATOM, states));
    if (before?.minimized === window.minimized) return;
    const state = window.minimized ? ICONIC_STATE : NORMAL_STATE;
    x.send(changeWords(window.id, atoms.WM_STATE, atoms.WM_STATE, [state, 0]));
  }
}
