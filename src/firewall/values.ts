/**
 * Values inside of requests that the protocols forbid: a row that is longer than its stride, a size without an inside, a
 * number that no enum has. Some compositors believe them (sway 1.7 reads beyond a pool whose buffers have short rows, and
 * ends), the others refuse them by ending the client themselves; the glue refuses first, with the protocol's own error.
 * This is the first room of the firewall: the others count on what has passed it.
 */
import { ProtocolError, Verdict, type RequestHandlers } from '../relay/call.js';
import { checkAttachOffset } from '../relay/attach-offset.js';
import type { Concern } from '../relay/chain.js';
import type { RelayObject } from '../relay/object-map.js';
import { bytesPerPixel } from '../wayland/shm-formats.js';
import { WpCursorShapeDeviceV1Error, WpCursorShapeDeviceV1Shape } from '../wayland/protocols/cursor-shape-v1.js';
import { WpViewportError } from '../wayland/protocols/viewporter.js';
import {
  WlDataDeviceManagerDndAction,
  WlDataOfferError,
  WlDataSourceError,
  WlOutputTransform,
  WlShmError,
  WlSurfaceError,
} from '../wayland/protocols/wayland.js';
import {
  ZxdgToplevelDecorationV1Error,
  ZxdgToplevelDecorationV1Mode,
} from '../wayland/protocols/xdg-decoration-unstable-v1.js';
import {
  XdgPositionerAnchor,
  XdgPositionerError,
  XdgPositionerGravity,
  XdgSurfaceError,
  XdgToplevelError,
  XdgToplevelResizeEdge,
} from '../wayland/protocols/xdg-shell.js';

/** The largest scale of a buffer: screens have 1 to 4, and sizes times this stay far from the end of an int. */
export const MAX_BUFFER_SCALE = 128;

/** What unsets a viewport's source or destination. */
const UNSET = -1;

const ACTIONS = Object.values(WlDataDeviceManagerDndAction).reduce<number>((bits, bit) => bits | bit, 0);

/** The concern for one connection. */
export function valuesConcern(): Concern {
  return {
    name: 'values',
    after: ['globals'],
    requests: { ...surfaces, ...memory, ...windows, ...drags },
    // A format whose pixels we cannot measure is not offered.
    events: {
      wl_shm: {
        format: ({ args: { format } }) => (bytesPerPixel(format) === undefined ? Verdict.Drop : Verdict.Forward),
      },
    },
  };
}

/** Passes what is right, and refuses the rest by an error of the object's own. */
function check(right: boolean, object: RelayObject, code: number, text: () => string): Verdict {
  if (right) return Verdict.Forward;
  throw new ProtocolError(object.clientId, code, `${String(object)}: ${text()}`);
}

/** A test for the values of an enum. */
function oneOf(values: Readonly<Record<string, number>>): (value: number) => boolean {
  const known = new Set(Object.values(values));
  return value => known.has(value);
}

const isTransform = oneOf(WlOutputTransform);
const isAnchor = oneOf(XdgPositionerAnchor);
const isGravity = oneOf(XdgPositionerGravity);
const isEdge = oneOf(XdgToplevelResizeEdge);
const isMode = oneOf(ZxdgToplevelDecorationV1Mode);
const isShape = oneOf(WpCursorShapeDeviceV1Shape);
const isOneAction = oneOf(WlDataDeviceManagerDndAction);

const surfaces: RequestHandlers = {
  wl_surface: {
    attach: ({ object, args: { x, y } }) => {
      checkAttachOffset(object, x, y);
      return Verdict.Forward;
    },
    set_buffer_scale: ({ object, args: { scale } }) =>
      check(
        scale >= 1 && scale <= MAX_BUFFER_SCALE,
        object,
        WlSurfaceError.invalid_scale,
        () => `a buffer scale of ${scale}: it is 1 to ${MAX_BUFFER_SCALE}`,
      ),
    set_buffer_transform: ({ object, args: { transform } }) =>
      check(
        isTransform(transform),
        object,
        WlSurfaceError.invalid_transform,
        () => `there is no transform ${transform}`,
      ),
  },
  wp_viewport: {
    set_source: ({ object, args: { x, y, width, height } }) =>
      check(
        [x, y, width, height].every(value => value === UNSET) || (x >= 0 && y >= 0 && width > 0 && height > 0),
        object,
        WpViewportError.bad_value,
        () => `a source of ${width}x${height} at ${x}, ${y}`,
      ),
    set_destination: ({ object, args: { width, height } }) =>
      check(
        (width === UNSET && height === UNSET) || (width > 0 && height > 0),
        object,
        WpViewportError.bad_value,
        () => `a destination of ${width}x${height}`,
      ),
  },
  wp_cursor_shape_device_v1: {
    set_shape: ({ object, args: { shape } }) =>
      check(
        isShape(shape),
        object,
        WpCursorShapeDeviceV1Error.invalid_shape,
        () => `there is no cursor shape ${shape}`,
      ),
  },
};

const memory: RequestHandlers = {
  wl_shm: {
    create_pool: ({ object, args: { size } }) =>
      check(size > 0, object, WlShmError.invalid_stride, () => `a pool of ${size} bytes`),
  },
  wl_shm_pool: {
    create_buffer: ({ object, args: { offset, width, height, stride, format } }) => {
      const bytes = bytesPerPixel(format);
      if (bytes === undefined) {
        return check(false, object, WlShmError.invalid_format, () => `no pixel format 0x${format.toString(16)}`);
      }
      return check(
        offset >= 0 && width > 0 && height > 0 && stride >= width * bytes && stride * height <= 0x7fffffff,
        object,
        WlShmError.invalid_stride,
        () => `a buffer of ${width}x${height} at ${offset} with rows of ${stride} bytes, ${bytes} a pixel`,
      );
    },
  },
};

const windows: RequestHandlers = {
  xdg_positioner: {
    set_size: ({ object, args: { width, height } }) =>
      check(width > 0 && height > 0, object, XdgPositionerError.invalid_input, () => `a size of ${width}x${height}`),
    set_anchor_rect: ({ object, args: { width, height } }) =>
      check(
        width >= 0 && height >= 0,
        object,
        XdgPositionerError.invalid_input,
        () => `an anchor of ${width}x${height}`,
      ),
    set_anchor: ({ object, args: { anchor } }) =>
      check(isAnchor(anchor), object, XdgPositionerError.invalid_input, () => `there is no anchor ${anchor}`),
    set_gravity: ({ object, args: { gravity } }) =>
      check(isGravity(gravity), object, XdgPositionerError.invalid_input, () => `there is no gravity ${gravity}`),
  },
  xdg_surface: {
    set_window_geometry: ({ object, args: { width, height } }) =>
      check(
        width > 0 && height > 0,
        object,
        XdgSurfaceError.invalid_size,
        () => `a window geometry of ${width}x${height}`,
      ),
  },
  xdg_toplevel: {
    set_min_size: ({ object, args: { width, height } }) =>
      check(
        width >= 0 && height >= 0,
        object,
        XdgToplevelError.invalid_size,
        () => `a least size of ${width}x${height}`,
      ),
    set_max_size: ({ object, args: { width, height } }) =>
      check(
        width >= 0 && height >= 0,
        object,
        XdgToplevelError.invalid_size,
        () => `a largest size of ${width}x${height}`,
      ),
    resize: ({ object, args: { edges } }) =>
      check(isEdge(edges), object, XdgToplevelError.invalid_resize_edge, () => `there is no edge ${edges}`),
  },
  zxdg_toplevel_decoration_v1: {
    set_mode: ({ object, args: { mode } }) =>
      check(isMode(mode), object, ZxdgToplevelDecorationV1Error.invalid_mode, () => `there is no mode ${mode}`),
  },
};

const drags: RequestHandlers = {
  wl_data_source: {
    set_actions: ({ object, args: { dnd_actions: actions } }) =>
      check(
        (actions & ~ACTIONS) === 0,
        object,
        WlDataSourceError.invalid_action_mask,
        () => `actions ${actions}, of which there are ${ACTIONS}`,
      ),
  },
  wl_data_offer: {
    set_actions: ({ object, args: { dnd_actions: actions, preferred_action: preferred } }) => {
      check(
        (actions & ~ACTIONS) === 0,
        object,
        WlDataOfferError.invalid_action_mask,
        () => `actions ${actions}, of which there are ${ACTIONS}`,
      );
      return check(
        isOneAction(preferred) && (preferred & ~actions) === 0,
        object,
        WlDataOfferError.invalid_action,
        () => `the action ${preferred} is preferred, of ${actions}`,
      );
    },
  },
};
