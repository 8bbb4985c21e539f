/** The wire facts of cursor-shape-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface, type Interface } from '../interface.js';

export const interfaces: readonly Interface[] = [
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
