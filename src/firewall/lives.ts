/**
 * What the protocols say of the lives of objects, as declarations: which objects one needs, what it is when one of them
 * is gone, and how many of its kind another may have. `lifetimes.ts` keeps to them. Each line stands for sentences of a
 * protocol's text; where that leaves a choice, the milder one for the client is taken. The compositor sees an order that
 * the protocol allows in any case.
 *
 * An interface that is not here needs nothing, and nothing needs it: callbacks, buffers, regions, positioners.
 */
import type { RelayObject } from '../relay/object-map.js';
import type { InterfaceName } from '../wayland/message-types.js';
import { WpAlphaModifierSurfaceV1Error, WpAlphaModifierV1Error } from '../wayland/protocols/alpha-modifier-v1.js';
import {
  WpColorRepresentationManagerV1Error,
  WpColorRepresentationSurfaceV1Error,
} from '../wayland/protocols/color-representation-v1.js';
import { WpContentTypeManagerV1Error } from '../wayland/protocols/content-type-v1.js';
import { WpFractionalScaleManagerV1Error } from '../wayland/protocols/fractional-scale-v1.js';
import { ZwpKeyboardShortcutsInhibitManagerV1Error } from '../wayland/protocols/keyboard-shortcuts-inhibit-unstable-v1.js';
import { ZwpPointerConstraintsV1Error } from '../wayland/protocols/pointer-constraints-unstable-v1.js';
import { WpTearingControlManagerV1Error } from '../wayland/protocols/tearing-control-v1.js';
import { WpViewporterError, WpViewportError } from '../wayland/protocols/viewporter.js';
import { WlSubcompositorError } from '../wayland/protocols/wayland.js';
import { ZxdgToplevelDecorationV1Error } from '../wayland/protocols/xdg-decoration-unstable-v1.js';
import { XdgWmDialogV1Error } from '../wayland/protocols/xdg-dialog-v1.js';
import { XdgSurfaceError, XdgWmBaseError } from '../wayland/protocols/xdg-shell.js';

/** What becomes of an object whose need is destroyed before it. */
export type Gone =
  /** It is not: destroying the need is the client's mistake, told by an error of the need, or of `about`. */
  | { readonly then: 'refuse'; readonly code: number; readonly text: string; readonly about?: RelayObject }
  /** It is inert; what is asked of it is dropped, or is an error where the protocol has one (`code`). */
  | { readonly then: 'inert'; readonly code?: number; readonly text?: string }
  /** A popup: it is told that it is done, and is inert. */
  | { readonly then: 'dismiss' };

/** One object that another needs. */
export interface Need {
  /** An argument of the request that makes the object, or `maker`: the object which that request is sent to. */
  readonly by: string;
  readonly gone: Gone;
}

/** At most one living object of the interface for each that the need names. */
export interface OnlyOne {
  readonly per: string;
  /** Interfaces whose objects count as of the same kind; default: its own alone. */
  readonly among?: readonly InterfaceName[];
  /** An error of the maker. */
  readonly code: number;
}

export interface LifeRules {
  readonly needs: readonly Need[];
  readonly only?: OnlyOne;
}

const inert: Gone = { then: 'inert' };
const ofSurface = (only?: OnlyOne): LifeRules => ({
  needs: [{ by: 'surface', gone: inert }],
  ...(only !== undefined && { only }),
});
const ofPointer: LifeRules = { needs: [{ by: 'pointer', gone: inert }] };
const constraint: LifeRules = {
  needs: [
    { by: 'surface', gone: inert },
    { by: 'pointer', gone: inert },
  ],
  only: {
    per: 'surface',
    among: ['zwp_locked_pointer_v1', 'zwp_confined_pointer_v1'],
    code: ZwpPointerConstraintsV1Error.already_constrained,
  },
};
const roleOf = (text: string): Gone => ({ then: 'refuse', code: XdgSurfaceError.defunct_role_object, text });

export const LIVES: Readonly<Partial<Record<InterfaceName, LifeRules>>> = {
  wl_subsurface: {
    needs: [
      { by: 'surface', gone: inert },
      { by: 'parent', gone: inert },
    ],
    only: { per: 'surface', code: WlSubcompositorError.bad_surface },
  },

  xdg_surface: {
    needs: [
      // With a role object its own needs refuse before this one is asked.
      { by: 'surface', gone: { then: 'inert', code: XdgSurfaceError.not_constructed, text: 'its wl_surface is gone' } },
      {
        by: 'maker',
        gone: {
          then: 'refuse',
          code: XdgWmBaseError.defunct_surfaces,
          text: 'xdg_wm_base was destroyed before its surfaces',
        },
      },
    ],
    only: { per: 'surface', code: XdgWmBaseError.role },
  },
  xdg_toplevel: { needs: [{ by: 'maker', gone: roleOf('xdg_surface was destroyed before its toplevel') }] },
  xdg_popup: { needs: [{ by: 'maker', gone: roleOf('xdg_surface was destroyed before its popup') }] },

  wp_viewport: {
    needs: [
      {
        by: 'surface',
        gone: { then: 'inert', code: WpViewportError.no_surface, text: 'its wl_surface was destroyed' },
      },
    ],
    only: { per: 'surface', code: WpViewporterError.viewport_exists },
  },
  wp_fractional_scale_v1: ofSurface({ per: 'surface', code: WpFractionalScaleManagerV1Error.fractional_scale_exists }),
  wp_content_type_v1: ofSurface({ per: 'surface', code: WpContentTypeManagerV1Error.already_constructed }),
  wp_tearing_control_v1: ofSurface({ per: 'surface', code: WpTearingControlManagerV1Error.tearing_control_exists }),
  wp_alpha_modifier_surface_v1: {
    needs: [
      {
        by: 'surface',
        gone: { then: 'inert', code: WpAlphaModifierSurfaceV1Error.no_surface, text: 'its wl_surface was destroyed' },
      },
    ],
    only: { per: 'surface', code: WpAlphaModifierV1Error.already_constructed },
  },
  wp_color_representation_surface_v1: {
    needs: [
      {
        by: 'surface',
        gone: { then: 'inert', code: WpColorRepresentationSurfaceV1Error.inert, text: 'its wl_surface was destroyed' },
      },
    ],
    only: { per: 'surface', code: WpColorRepresentationManagerV1Error.surface_exists },
  },
  // The protocol has an error for a decoration that outlives its window (orphaned). Old clients make that mistake at
  // every end, and nothing is lost when it is mended for them.
  zxdg_toplevel_decoration_v1: {
    needs: [{ by: 'toplevel', gone: inert }],
    only: { per: 'toplevel', code: ZxdgToplevelDecorationV1Error.already_constructed },
  },
  org_kde_kwin_server_decoration: ofSurface(),
  xdg_dialog_v1: {
    needs: [{ by: 'toplevel', gone: inert }],
    only: { per: 'toplevel', code: XdgWmDialogV1Error.already_used },
  },
  // Nor do they outlive the window of their surface (`roles.ts`).
  zwp_idle_inhibitor_v1: ofSurface(),
  // By policy. One for each surface and seat: nobody has two seats that both should be without shortcuts.
  zwp_keyboard_shortcuts_inhibitor_v1: ofSurface({
    per: 'surface',
    code: ZwpKeyboardShortcutsInhibitManagerV1Error.already_inhibited,
  }),
  zxdg_exported_v1: ofSurface(),
  zxdg_exported_v2: ofSurface(),
  // The protocol has them need nothing, but they go before the windows that they are a parent of: wlroots 0.15 looks for
  // those when the import goes, and reads what is freed. So they have their ids among those that need others (`order.ts`).
  zxdg_imported_v1: { needs: [] },
  zxdg_imported_v2: { needs: [] },

  zwp_locked_pointer_v1: constraint,
  zwp_confined_pointer_v1: constraint,
  zwp_relative_pointer_v1: ofPointer,
  zwp_pointer_gesture_swipe_v1: ofPointer,
  zwp_pointer_gesture_pinch_v1: ofPointer,
  zwp_pointer_gesture_hold_v1: ofPointer,
  wp_cursor_shape_device_v1: {
    needs: [
      { by: 'pointer', gone: inert },
      { by: 'tablet_tool', gone: inert },
    ],
  },
};

/** Interfaces that something needs: their destructors are checked. */
export const NEEDED: readonly InterfaceName[] = [
  'wl_surface',
  'xdg_wm_base',
  'xdg_surface',
  'xdg_toplevel',
  'xdg_popup',
  'wl_pointer',
  'zwp_tablet_tool_v2',
];
