/**
 * What a request says has to agree with what was said before: a popup is placed by a positioner that was told a size and an
 * anchor, a window's least size is not over its largest, an activation token is asked for once. What a surface's picture
 * has to agree with is in `surface-sizes.ts`, where its size is known.
 */
import { ProtocolError, Verdict, type Call, type RequestHandlers } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import { Note } from '../relay/note.js';
import type { RelayObject } from '../relay/object-map.js';
import { XdgActivationTokenV1Error } from '../wayland/protocols/xdg-activation-v1.js';
import { XdgToplevelError, XdgWmBaseError } from '../wayland/protocols/xdg-shell.js';
import { knownLife, toplevelOf, wmBaseOf, xdgSurfaceOf } from './life.js';
import type { Size } from './surface-state.js';
import { wrong } from './value-rules.js';

/** The concern for one connection. */
export function agreementConcern(): Concern {
  const sizes = new WindowSizes();
  return {
    name: 'agreement',
    after: ['values'],
    requests: { ...positioners(), ...sizes.requests, ...tokens() },
  };
}

/** What a positioner was told. */
interface Told {
  sized: boolean;
  anchored: boolean;
}

/** Popups are placed by complete positioners: with a size, and an anchor that is not nothing. */
function positioners(): Pick<RequestHandlers, 'xdg_positioner'> & {
  readonly xdg_surface: Pick<NonNullable<RequestHandlers['xdg_surface']>, 'get_popup'>;
  readonly xdg_popup: Pick<NonNullable<RequestHandlers['xdg_popup']>, 'reposition'>;
} {
  const told = new WeakMap<RelayObject, Told>();
  const of = (positioner: RelayObject): Told => {
    let its = told.get(positioner);
    if (its === undefined) told.set(positioner, (its = { sized: false, anchored: false }));
    return its;
  };
  const complete = (positioner: RelayObject, xdgSurface: RelayObject): Verdict => {
    const { sized, anchored } = of(positioner);
    if (sized && anchored) return Verdict.Forward;
    const text = `${String(positioner)} has no ${sized ? 'anchor' : 'size'}, which the popup of ${String(xdgSurface)} needs`;
    throw new ProtocolError(wmBaseOf(xdgSurface).clientId, XdgWmBaseError.invalid_positioner, text);
  };
  return {
    xdg_positioner: {
      set_size: ({ object }) => {
        of(object).sized = true;
        return Verdict.Forward;
      },
      set_anchor_rect: ({ object, args }) => {
        // Compositors of wlroots look at the width alone.
        of(object).anchored = args.width > 0;
        return Verdict.Forward;
      },
    },
    xdg_surface: { get_popup: ({ object, args }) => complete(args.positioner, object) },
    xdg_popup: { reposition: ({ object, args }) => complete(args.positioner, xdgSurfaceOf(object) ?? object) },
  };
}

interface Bounds {
  least: Size;
  most: Size;
}

const SIDES = ['width', 'height'] as const;
/** 0 is no bound. */
const UNBOUND: Size = { width: 0, height: 0 };

/** Of a toplevel. */
const sizesOf = new Note<Bounds>();

/** The least and the largest sizes of windows, which have to agree when they are committed. */
class WindowSizes {
  /** By toplevel, since it was last hidden. */

  readonly requests = {
    xdg_toplevel: {
      set_min_size: ({ object, args }) => {
        this.#of(object).least = args;
        return Verdict.Forward;
      },
      set_max_size: ({ object, args }) => {
        this.#of(object).most = args;
        return Verdict.Forward;
      },
    },
    wl_surface: { commit: call => this.#commit(call) },
  } satisfies RequestHandlers;

  #of(toplevel: RelayObject): Bounds {
    let bounds = sizesOf.get(toplevel);
    if (bounds === undefined) sizesOf.set(toplevel, (bounds = { least: UNBOUND, most: UNBOUND }));
    return bounds;
  }

  #commit({ object }: Pick<Call<'wl_surface'>, 'object'>): Verdict {
    const toplevel = toplevelOf(object);
    const bounds = toplevel && sizesOf.get(toplevel);
    if (toplevel === undefined || bounds === undefined) return Verdict.Forward;
    for (const side of SIDES) {
      const least = bounds.least[side];
      const most = bounds.most[side];
      if (most === 0 || least <= most) continue;
      const text = `a least ${side} of ${least} was committed with a largest of ${most}`;
      throw new ProtocolError(toplevel.clientId, XdgToplevelError.invalid_size, `${String(toplevel)}: ${text}`);
    }
    // A window that is hidden begins anew.
    if (knownLife(object)?.attached === false) sizesOf.delete(toplevel);
    return Verdict.Forward;
  }
}

/** A token that was asked for says nothing more. */
function tokens(): Pick<RequestHandlers, 'xdg_activation_token_v1'> {
  const used = new WeakSet<RelayObject>();
  const unused =
    (request: string) =>
    ({ object }: Pick<Call, 'object'>): Verdict => {
      if (!used.has(object)) return Verdict.Forward;
      throw wrong(object, XdgActivationTokenV1Error.already_used, request, 'it was committed already');
    };
  return {
    xdg_activation_token_v1: {
      set_serial: unused('set_serial'),
      set_app_id: unused('set_app_id'),
      set_surface: unused('set_surface'),
      commit: call => {
        unused('commit')(call);
        used.add(call.object);
        return Verdict.Forward;
      },
    },
  };
}
