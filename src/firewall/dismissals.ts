/**
 * Popups that a compositor has dismissed, which their client does not know yet. What it says to configure and draw one
 * wlroots takes for a mistake then, and ends the client. Three answers:
 *
 * - What a compositor does for certain, the glue does before: `dismissAbove` in `lifetimes.ts`.
 * - Some requests may have a popup of the same client dismissed: a drag takes the pointer from a popup that grabs, and a
 *   window that comes takes the focus, with which sway dismisses the popups of the one that had it. After these, what is
 *   said of a popup waits until the compositor has answered.
 * - The user and other programs dismiss popups at any time. What is said once for each size of a popup waits for an answer
 *   always, so that what the compositor has said by then is known. Pictures do not wait: they come with every frame.
 *
 * What the compositor does while the request itself is on its way is left to it.
 */
import { Verdict, type RequestHandlers } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import type { RelayObject } from '../relay/object-map.js';
import type { Relay } from '../relay/relay.js';
import { CHECKS } from './checks.js';
import { knownLife, popupLives } from './life.js';

type Doubting = () => Verdict;

/** Requests by which a compositor may move the focus to another window. */
function focusing(doubting: Doubting): RequestHandlers {
  return {
    wl_data_device: { start_drag: doubting },
    xdg_activation_v1: { activate: doubting },
    xdg_toplevel: {
      destroy: doubting,
      move: doubting,
      resize: doubting,
      show_window_menu: doubting,
      set_maximized: doubting,
      unset_maximized: doubting,
      set_fullscreen: doubting,
      unset_fullscreen: doubting,
      set_minimized: doubting,
    },
  };
}

/** The concern for one connection. */
export function dismissalsConcern(): Concern {
  const popups = new Set<RelayObject>();
  /** Whether the popups that there are may have been dismissed without our knowing. */
  let doubt: 'none' | 'some' | 'asked' | 'answered' = 'none';
  const doubting: Doubting = () => {
    if (popups.size > 0) doubt = 'some';
    return Verdict.Forward;
  };
  const ask = (relay: Relay): Verdict => {
    if (doubt !== 'asked') {
      doubt = 'asked';
      relay.sync(() => {
        doubt = 'answered';
        relay.resume('requests');
      });
    }
    return Verdict.Stall;
  };
  /** Nothing that came with what has waited waits again. */
  const pass = (): Verdict => {
    if (doubt === 'answered') setImmediate(() => doubt === 'answered' && (doubt = 'none'));
    return Verdict.Forward;
  };
  /** A picture of a popup waits where there is doubt. */
  const fence = (relay: Relay): Verdict => (doubt === 'some' || doubt === 'asked' ? ask(relay) : pass());
  /** A request to an xdg_surface, or about one, waits always where that is a popup. */
  const fenceOf = (relay: Relay, xdgSurface: RelayObject | undefined): Verdict => {
    const popup = xdgSurface && knownLife(xdgSurface)?.roleObject;
    if (popup?.is('xdg_popup') !== true || !popupLives(popup)) return Verdict.Forward;
    return doubt === 'answered' ? pass() : ask(relay);
  };
  return {
    name: 'dismissals',
    after: [...CHECKS, 'lifetimes', 'construction'],
    made: { xdg_popup: popup => void popups.add(popup) },
    gone: { xdg_popup: popup => void popups.delete(popup) },
    requests: {
      ...focusing(doubting),
      wl_surface: {
        commit: ({ relay, object }) => {
          const life = knownLife(object);
          if (life?.role === 'xdg_toplevel' && life.attached !== undefined && life.attached !== life.shown) doubting();
          return life?.role === 'xdg_popup' ? fence(relay) : Verdict.Forward;
        },
      },
      xdg_surface: {
        ack_configure: ({ relay, object }) => fenceOf(relay, object),
        set_window_geometry: ({ relay, object }) => fenceOf(relay, object),
        get_popup: ({ relay, args: { parent } }) => fenceOf(relay, parent),
      },
    },
  };
}
