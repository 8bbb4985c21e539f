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
import { ConnectionNote } from '../relay/note.js';
import type { RelayObject } from '../relay/object-map.js';
import type { Relay } from '../relay/relay.js';
import { CHECKS } from './checks.js';
import { knownLife, popupLives } from './life.js';

type Doubting = (call: { readonly relay: Relay }) => Verdict;

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

/** The popups of one client. */
interface Popups {
  readonly open: Set<RelayObject>;
  /** Whether they may have been dismissed without our knowing. */
  doubt: 'none' | 'some' | 'asked' | 'answered';
}

/** Of a client that has had one. */
const popupsOf = new ConnectionNote<Popups>();

function doubting({ relay }: { readonly relay: Relay }): Verdict {
  const popups = popupsOf.get(relay);
  if (popups !== undefined && popups.open.size > 0) popups.doubt = 'some';
  return Verdict.Forward;
}

function ask(relay: Relay, popups: Popups): Verdict {
  if (popups.doubt !== 'asked') {
    popups.doubt = 'asked';
    relay.sync(() => {
      popups.doubt = 'answered';
      relay.resume('requests');
    });
  }
  return Verdict.Stall;
}

/** Nothing that came with what has waited waits again. */
function pass(popups: Popups): Verdict {
  if (popups.doubt === 'answered') {
    setImmediate(() => {
      if (popups.doubt === 'answered') popups.doubt = 'none';
    });
  }
  return Verdict.Forward;
}

/** A picture of a popup waits where there is doubt. */
function fence(relay: Relay): Verdict {
  const popups = popupsOf.get(relay);
  if (popups === undefined) return Verdict.Forward;
  return popups.doubt === 'some' || popups.doubt === 'asked' ? ask(relay, popups) : pass(popups);
}

/** A request to an xdg_surface, or about one, waits always where that is a popup. */
function fenceOf(relay: Relay, xdgSurface: RelayObject | undefined): Verdict {
  const popup = xdgSurface && knownLife(xdgSurface)?.roleObject;
  const popups = popupsOf.get(relay);
  if (popup?.is('xdg_popup') !== true || !popupLives(popup) || popups === undefined) return Verdict.Forward;
  return popups.doubt === 'answered' ? pass(popups) : ask(relay, popups);
}

/** The concern for all connections. */
export function dismissalsConcern(): Concern {
  return {
    name: 'dismissals',
    after: [...CHECKS, 'lifetimes', 'construction'],
    made: {
      xdg_popup: (popup, { relay }) => {
        (popupsOf.get(relay) ?? popupsOf.set(relay, { open: new Set(), doubt: 'none' })).open.add(popup);
      },
    },
    gone: { xdg_popup: (popup, relay) => void popupsOf.get(relay)?.open.delete(popup) },
    requests: {
      ...focusing(doubting),
      wl_surface: {
        commit: ({ relay, object }) => {
          const life = knownLife(object);
          if (life?.role === 'xdg_toplevel' && life.attached !== undefined && life.attached !== life.shown)
            doubting({ relay });
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
