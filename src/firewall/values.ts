/**
 * What the numbers inside of requests may be: sizes, places, scales, enums, sets of bits, as declarations
 * (`value-rules.ts`). Some compositors believe whatever a client says (sway 1.7 reads beyond a pool whose buffers have
 * short rows, and ends), the others refuse it by ending the client themselves; the glue refuses first, with the protocol's
 * own error. Where the protocol has none, a place is moved and a hint that nobody knows is left out.
 *
 * This is the first room of the firewall: the others count on what has passed it. What has to agree with something that was
 * said before is looked at in `agreement.ts` and `surface-sizes.ts`.
 */
import { checkAttachOffset } from '../relay/attach-offset.js';
import { Verdict, type RequestHandlers } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import { WpColorRepresentationSurfaceV1Error as ColorError } from '../wayland/protocols/color-representation-v1.js';
import {
  WpColorRepresentationSurfaceV1AlphaMode,
  WpColorRepresentationSurfaceV1ChromaLocation,
  WpColorRepresentationSurfaceV1Coefficients,
  WpColorRepresentationSurfaceV1Range,
} from '../wayland/protocols/color-representation-v1.js';
import { WpContentTypeV1Type } from '../wayland/protocols/content-type-v1.js';
import { WpCursorShapeDeviceV1Error, WpCursorShapeDeviceV1Shape } from '../wayland/protocols/cursor-shape-v1.js';
import { ZwpPointerConstraintsV1Lifetime } from '../wayland/protocols/pointer-constraints-unstable-v1.js';
import { WpTearingControlV1PresentationHint } from '../wayland/protocols/tearing-control-v1.js';
import {
  ZwpTextInputV3ChangeCause,
  ZwpTextInputV3ContentHint,
  ZwpTextInputV3ContentPurpose,
} from '../wayland/protocols/text-input-unstable-v3.js';
import { WpViewportError } from '../wayland/protocols/viewporter.js';
import { WlOutputTransform, WlShmError, WlSurfaceError } from '../wayland/protocols/wayland.js';
import {
  ZxdgToplevelDecorationV1Error,
  ZxdgToplevelDecorationV1Mode,
} from '../wayland/protocols/xdg-decoration-unstable-v1.js';
import {
  XdgPositionerAnchor,
  XdgPositionerConstraintAdjustment,
  XdgPositionerError,
  XdgPositionerGravity,
  XdgSurfaceError,
  XdgToplevelError,
  XdgToplevelResizeEdge,
} from '../wayland/protocols/xdg-shell.js';
import { bytesPerPixel, PIXMAN_ALIGNMENT } from '../wayland/shm-formats.js';
import {
  allOf,
  atLeast,
  between,
  bitsWithin,
  cut,
  keeping,
  keepingAll,
  MAX_PLACE,
  oneOf,
  oneOfOr,
  place,
  within,
  wrong,
  type Rule,
  type ValueRules,
} from './value-rules.js';

/** The largest scale of a buffer: screens have 1 to 4, and sizes times this stay far from the end of an int. */
export const MAX_BUFFER_SCALE = 128;
/** Widest and highest buffer, in pixels: no GPU has a larger texture, and coordinates of pixman end there. */
export const MAX_BUFFER_SIDE = 32_768;

const INT32_MAX = 0x7fffffff;
/** What unsets a viewport's source or destination. */
const UNSET = -1;
/** `org_kde_kwin_server_decoration.mode`, of which no table says anything. */
const KDE_MODES = { none: 0, client: 1, server: 2 };
/** `wp_cursor_shape_device_v1.shape`: the last one of version 1. */
const LAST_SHAPE_OF_V1 = WpCursorShapeDeviceV1Shape.zoom_out;
/** `zwp_text_input_v3.content_hint`: all of version 1. */
const HINTS_OF_V1 = 0x3ff;

const side = atLeast(0, XdgToplevelError.invalid_size);
const anySide = within(0, MAX_PLACE);
const visibleSide = within(1, MAX_PLACE);

/** A cursor's shape, of those that the version has. */
const shape: Rule = (() => {
  const all = oneOf(WpCursorShapeDeviceV1Shape, WpCursorShapeDeviceV1Error.invalid_shape);
  return {
    ...all,
    mend: (value, version) => (version < 2 && value > LAST_SHAPE_OF_V1 ? undefined : all.mend(value, version)),
  };
})();

/** Hints of a text, those that the version has. */
const hints: Rule = {
  mend: (value, version) => value & (version < 2 ? HINTS_OF_V1 : allOf(ZwpTextInputV3ContentHint)),
};

export const VALUE_RULES = {
  wl_surface: {
    set_buffer_scale: { scale: between(1, MAX_BUFFER_SCALE, WlSurfaceError.invalid_scale) },
    set_buffer_transform: { transform: oneOf(WlOutputTransform, WlSurfaceError.invalid_transform) },
    offset: { x: place, y: place },
  },
  wl_subsurface: { set_position: { x: place, y: place } },
  wl_shm: { create_pool: { size: between(1, INT32_MAX, WlShmError.invalid_stride) } },
  xdg_positioner: {
    set_size: {
      width: atLeast(1, XdgPositionerError.invalid_input),
      height: atLeast(1, XdgPositionerError.invalid_input),
    },
    set_anchor_rect: {
      x: place,
      y: place,
      width: atLeast(0, XdgPositionerError.invalid_input),
      height: atLeast(0, XdgPositionerError.invalid_input),
    },
    set_anchor: { anchor: oneOf(XdgPositionerAnchor, XdgPositionerError.invalid_input) },
    set_gravity: { gravity: oneOf(XdgPositionerGravity, XdgPositionerError.invalid_input) },
    set_constraint_adjustment: { constraint_adjustment: bitsWithin(allOf(XdgPositionerConstraintAdjustment)) },
    set_offset: { x: place, y: place },
    set_parent_size: { parent_width: anySide, parent_height: anySide },
  },
  xdg_surface: {
    set_window_geometry: {
      x: place,
      y: place,
      width: atLeast(1, XdgSurfaceError.invalid_size),
      height: atLeast(1, XdgSurfaceError.invalid_size),
    },
  },
  xdg_toplevel: {
    set_min_size: { width: side, height: side },
    set_max_size: { width: side, height: side },
    resize: { edges: oneOf(XdgToplevelResizeEdge, XdgToplevelError.invalid_resize_edge) },
    show_window_menu: { x: place, y: place },
  },
  xdg_toplevel_icon_v1: { add_buffer: { scale: within(1, MAX_BUFFER_SCALE) } },
  zxdg_toplevel_decoration_v1: {
    set_mode: { mode: oneOf(ZxdgToplevelDecorationV1Mode, ZxdgToplevelDecorationV1Error.invalid_mode) },
  },
  org_kde_kwin_server_decoration: { request_mode: { mode: oneOf(KDE_MODES) } },
  wp_cursor_shape_device_v1: { set_shape: { shape } },
  wp_content_type_v1: { set_content_type: { content_type: oneOf(WpContentTypeV1Type) } },
  wp_tearing_control_v1: { set_presentation_hint: { hint: oneOf(WpTearingControlV1PresentationHint) } },
  wp_color_representation_surface_v1: {
    set_alpha_mode: { alpha_mode: oneOf(WpColorRepresentationSurfaceV1AlphaMode, ColorError.alpha_mode) },
    set_coefficients_and_range: {
      coefficients: oneOf(WpColorRepresentationSurfaceV1Coefficients, ColorError.coefficients),
      range: oneOf(WpColorRepresentationSurfaceV1Range, ColorError.coefficients),
    },
    set_chroma_location: {
      chroma_location: oneOf(WpColorRepresentationSurfaceV1ChromaLocation, ColorError.chroma_location),
    },
  },
  // A compositor of wlroots takes every other number for a lock that lasts.
  zwp_pointer_constraints_v1: {
    lock_pointer: {
      lifetime: oneOfOr(ZwpPointerConstraintsV1Lifetime, ZwpPointerConstraintsV1Lifetime.persistent),
    },
    confine_pointer: {
      lifetime: oneOfOr(ZwpPointerConstraintsV1Lifetime, ZwpPointerConstraintsV1Lifetime.persistent),
    },
  },
  zwp_text_input_v3: {
    set_content_type: {
      hint: hints,
      purpose: oneOfOr(ZwpTextInputV3ContentPurpose, ZwpTextInputV3ContentPurpose.normal),
    },
    set_text_change_cause: { cause: oneOfOr(ZwpTextInputV3ChangeCause, ZwpTextInputV3ChangeCause.other) },
    set_cursor_rectangle: { x: place, y: place, width: anySide, height: anySide },
  },
  zwlr_screencopy_manager_v1: {
    capture_output_region: {
      overlay_cursor: within(0, 1),
      x: place,
      y: place,
      width: visibleSide,
      height: visibleSide,
    },
  },
} satisfies ValueRules;

const attached = keeping('wl_surface', 'attach', { x: place, y: place });
const destined = keeping('wp_viewport', 'set_destination', {
  width: atLeast(1, WpViewportError.bad_value),
  height: atLeast(1, WpViewportError.bad_value),
});
const kept = keepingAll(VALUE_RULES);

/** Requests whose numbers are looked at together. */
const together = {
  wl_surface: {
    ...kept.wl_surface,
    attach: call => {
      const { object, args } = call;
      checkAttachOffset(object, args.x, args.y);
      return attached(call);
    },
    damage: cut,
    damage_buffer: cut,
  },
  wl_region: { add: cut, subtract: cut },
  wl_shm_pool: {
    create_buffer: ({ object, args: { offset, width, height, stride, format } }) => {
      const bytes = bytesPerPixel(format);
      if (bytes === undefined) {
        throw wrong(object, WlShmError.invalid_format, 'create_buffer', `no pixel format 0x${format.toString(16)}`);
      }
      const hasInside = width > 0 && height > 0 && width <= MAX_BUFFER_SIDE && height <= MAX_BUFFER_SIDE;
      // pixman makes no picture of other rows, and cage 0.1.4 ends when a popup opens on a window without one.
      const rowsAreWhole = stride >= width * bytes && stride % PIXMAN_ALIGNMENT === 0;
      if (offset >= 0 && hasInside && rowsAreWhole && stride * height <= INT32_MAX) return Verdict.Forward;
      const text = `a buffer of ${width}x${height} at ${offset} with rows of ${stride} bytes, ${bytes} a pixel`;
      throw wrong(object, WlShmError.invalid_stride, 'create_buffer', text);
    },
  },
  wp_viewport: {
    set_source: ({ object, args: { x, y, width, height } }) => {
      if ([x, y, width, height].every(value => value === UNSET)) return Verdict.Forward;
      if (x >= 0 && y >= 0 && width > 0 && height > 0) return Verdict.Forward;
      throw wrong(object, WpViewportError.bad_value, 'set_source', `${width}x${height} at ${x}, ${y}`);
    },
    set_destination: call => {
      const { width, height } = call.args;
      return width === UNSET && height === UNSET ? Verdict.Forward : destined(call);
    },
  },
} satisfies RequestHandlers;

/** The concern for one connection. */
export function valuesConcern(): Concern {
  return {
    name: 'values',
    after: ['globals'],
    requests: { ...kept, ...together },
    // A format whose pixels we cannot measure is not offered.
    events: {
      wl_shm: {
        format: ({ args: { format } }) => (bytesPerPixel(format) === undefined ? Verdict.Drop : Verdict.Forward),
      },
    },
  };
}
