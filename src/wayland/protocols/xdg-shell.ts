/** The wire facts of xdg-shell.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('xdg_wm_base', 7, {
    requests: [
      'destroy!',
      'create_positioner id:new_id(xdg_positioner)',
      'get_xdg_surface id:new_id(xdg_surface) surface:object(wl_surface)',
      'pong serial:uint',
    ],
    events: ['ping serial:uint'],
  }),
  defineInterface('xdg_positioner', 7, {
    requests: [
      'destroy!',
      'set_size width:int height:int',
      'set_anchor_rect x:int y:int width:int height:int',
      'set_anchor anchor:uint',
      'set_gravity gravity:uint',
      'set_constraint_adjustment constraint_adjustment:uint',
      'set_offset x:int y:int',
      'set_reactive@3',
      'set_parent_size@3 parent_width:int parent_height:int',
      'set_parent_configure@3 serial:uint',
    ],
  }),
  defineInterface('xdg_surface', 7, {
    requests: [
      'destroy!',
      'get_toplevel id:new_id(xdg_toplevel)',
      'get_popup id:new_id(xdg_popup) parent:object(xdg_surface)? positioner:object(xdg_positioner)',
      'set_window_geometry x:int y:int width:int height:int',
      'ack_configure serial:uint',
    ],
    events: ['configure serial:uint'],
  }),
  defineInterface('xdg_toplevel', 7, {
    requests: [
      'destroy!',
      'set_parent parent:object(xdg_toplevel)?',
      'set_title title:string',
      'set_app_id app_id:string',
      'show_window_menu seat:object(wl_seat) serial:uint x:int y:int',
      'move seat:object(wl_seat) serial:uint',
      'resize seat:object(wl_seat) serial:uint edges:uint',
      'set_max_size width:int height:int',
      'set_min_size width:int height:int',
      'set_maximized',
      'unset_maximized',
      'set_fullscreen output:object(wl_output)?',
      'unset_fullscreen',
      'set_minimized',
    ],
    events: [
      'configure width:int height:int states:array',
      'close',
      'configure_bounds@4 width:int height:int',
      'wm_capabilities@5 capabilities:array',
    ],
  }),
  defineInterface('xdg_popup', 7, {
    requests: [
      'destroy!',
      'grab seat:object(wl_seat) serial:uint',
      'reposition@3 positioner:object(xdg_positioner) token:uint',
    ],
    events: ['configure x:int y:int width:int height:int', 'popup_done', 'repositioned@3 token:uint'],
  }),
];

/** `xdg_wm_base.error` */
export const XdgWmBaseError = {
  role: 0,
  defunct_surfaces: 1,
  not_the_topmost_popup: 2,
  invalid_popup_parent: 3,
  invalid_surface_state: 4,
  invalid_positioner: 5,
  unresponsive: 6,
} as const;

/** `xdg_positioner.error` */
export const XdgPositionerError = {
  invalid_input: 0,
} as const;

/** `xdg_positioner.anchor` */
export const XdgPositionerAnchor = {
  none: 0,
  top: 1,
  bottom: 2,
  left: 3,
  right: 4,
  top_left: 5,
  bottom_left: 6,
  top_right: 7,
  bottom_right: 8,
} as const;

/** `xdg_positioner.gravity` */
export const XdgPositionerGravity = {
  none: 0,
  top: 1,
  bottom: 2,
  left: 3,
  right: 4,
  top_left: 5,
  bottom_left: 6,
  top_right: 7,
  bottom_right: 8,
} as const;

/** `xdg_positioner.constraint_adjustment` */
export const XdgPositionerConstraintAdjustment = {
  none: 0,
  slide_x: 1,
  slide_y: 2,
  flip_x: 4,
  flip_y: 8,
  resize_x: 16,
  resize_y: 32,
} as const;

/** `xdg_surface.error` */
export const XdgSurfaceError = {
  not_constructed: 1,
  already_constructed: 2,
  unconfigured_buffer: 3,
  invalid_serial: 4,
  invalid_size: 5,
  defunct_role_object: 6,
} as const;

/** `xdg_toplevel.error` */
export const XdgToplevelError = {
  invalid_resize_edge: 0,
  invalid_parent: 1,
  invalid_size: 2,
} as const;

/** `xdg_toplevel.resize_edge` */
export const XdgToplevelResizeEdge = {
  none: 0,
  top: 1,
  bottom: 2,
  left: 4,
  top_left: 5,
  bottom_left: 6,
  right: 8,
  top_right: 9,
  bottom_right: 10,
} as const;

/** `xdg_toplevel.state` */
export const XdgToplevelState = {
  maximized: 1,
  fullscreen: 2,
  resizing: 3,
  activated: 4,
  tiled_left: 5,
  tiled_right: 6,
  tiled_top: 7,
  tiled_bottom: 8,
  suspended: 9,
  constrained_left: 10,
  constrained_right: 11,
  constrained_top: 12,
  constrained_bottom: 13,
} as const;

/** `xdg_toplevel.wm_capabilities` */
export const XdgToplevelWmCapabilities = {
  window_menu: 1,
  maximize: 2,
  fullscreen: 3,
  minimize: 4,
} as const;

/** `xdg_popup.error` */
export const XdgPopupError = {
  invalid_grab: 0,
} as const;
