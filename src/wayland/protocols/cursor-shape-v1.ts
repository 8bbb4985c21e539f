/** The wire facts of cursor-shape-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('wp_cursor_shape_manager_v1', 2, {
    requests: [
      'destroy!',
      'get_pointer cursor_shape_device:new_id(wp_cursor_shape_device_v1) pointer:object(wl_pointer)',
      'get_tablet_tool_v2 cursor_shape_device:new_id(wp_cursor_shape_device_v1) tablet_tool:object(zwp_tablet_tool_v2)',
    ],
  }),
  defineInterface('wp_cursor_shape_device_v1', 2, {
    requests: ['destroy!', 'set_shape serial:uint shape:uint'],
  }),
];

/** `wp_cursor_shape_device_v1.shape` */
export const WpCursorShapeDeviceV1Shape = {
  default: 1,
  context_menu: 2,
  help: 3,
  pointer: 4,
  progress: 5,
  wait: 6,
  cell: 7,
  crosshair: 8,
  text: 9,
  vertical_text: 10,
  alias: 11,
  copy: 12,
  move: 13,
  no_drop: 14,
  not_allowed: 15,
  grab: 16,
  grabbing: 17,
  e_resize: 18,
  n_resize: 19,
  ne_resize: 20,
  nw_resize: 21,
  s_resize: 22,
  se_resize: 23,
  sw_resize: 24,
  w_resize: 25,
  ew_resize: 26,
  ns_resize: 27,
  nesw_resize: 28,
  nwse_resize: 29,
  col_resize: 30,
  row_resize: 31,
  all_scroll: 32,
  zoom_in: 33,
  zoom_out: 34,
  dnd_ask: 35,
  all_resize: 36,
} as const;

/** `wp_cursor_shape_device_v1.error` */
export const WpCursorShapeDeviceV1Error = {
  invalid_shape: 1,
} as const;
