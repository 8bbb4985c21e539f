/** The states of a toplevel, as the compositor says them with each configure, and what follows from them. */
import { XdgToplevelState } from '../wayland/protocols/xdg-shell.js';

export interface ToplevelStates {
  readonly maximized: boolean;
  readonly fullscreen: boolean;
  readonly activated: boolean;
  /** Others are at all its sides, or the end of the screen: X programs know that only as maximized. */
  readonly tiled: boolean;
  /** Its size is the compositor's to choose. */
  readonly fixed: boolean;
}

export const NO_STATES: ToplevelStates = {
  maximized: false,
  fullscreen: false,
  activated: false,
  tiled: false,
  fixed: false,
};

/** `said`: XdgToplevelState. */
export function statesOf(said: readonly number[]): ToplevelStates {
  const has = (state: number): boolean => said.includes(state);
  const { tiled_left, tiled_right, tiled_top, tiled_bottom } = XdgToplevelState;
  const sides = [tiled_left, tiled_right, tiled_top, tiled_bottom];
  const [maximized, fullscreen] = [has(XdgToplevelState.maximized), has(XdgToplevelState.fullscreen)];
  const fixed = maximized || fullscreen || sides.some(has);
  return { maximized, fullscreen, activated: has(XdgToplevelState.activated), tiled: sides.every(has), fixed };
}

/** Whether a window in these states has to have the size that was asked for. */
export function isExact({ maximized, fullscreen }: ToplevelStates): boolean {
  return maximized || fullscreen;
}
