/**
 * Popups that a compositor dismisses because of what their own client has asked: a drag takes the pointer from a popup that
 * grabs, and a window that comes takes the focus, with which sway dismisses the popups of the one that had it. Until the
 * client is told it may go on to configure and draw the popup, which is none any more; wlroots takes that for a mistake and
 * ends the client. So what can be such a mistake waits, after such a request, until the compositor has answered. What a
 * compositor does for certain, the glue does before (`dismissAbove` in `lifetimes.ts`). That another program or the user
 * dismisses it at the same moment is left to the compositor: no question could be asked so late that it tells.
 */
import { Verdict, type RequestHandlers } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import type { RelayObject } from '../relay/object-map.js';
import type { Relay } from '../relay/relay.js';
import { CHECKS } from './checks.js';
import { knownLife } from './life.js';

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
  let doubt: 'none' | 'some' | 'asked' = 'none';
  const doubting: Doubting = () => {
    if (popups.size > 0) doubt = 'some';
    return Verdict.Forward;
  };
  /** Whether what is said of a popup has to wait. */
  const fence = (relay: Relay): Verdict => {
    if (doubt === 'none') return Verdict.Forward;
    if (doubt === 'some') {
      doubt = 'asked';
      relay.sync(() => {
        doubt = 'none';
        relay.resume('requests');
      });
    }
    return Verdict.Stall;
  };
  /** The same for a request to an xdg_surface, or about one. */
  const fenceOf = (relay: Relay, xdgSurface: RelayObject | undefined): Verdict =>
    (xdgSurface && knownLife(xdgSurface)?.roleObject)?.is('xdg_popup') === true ? fence(relay) : Verdict.Forward;
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
