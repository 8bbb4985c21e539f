/** The wire facts of xdg-toplevel-drag-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('xdg_toplevel_drag_manager_v1', 1, {
    requests: ['destroy!', 'get_xdg_toplevel_drag id:new_id(xdg_toplevel_drag_v1) data_source:object(wl_data_source)'],
  }),
  defineInterface('xdg_toplevel_drag_v1', 1, {
    requests: ['destroy!', 'attach toplevel:object(xdg_toplevel) x_offset:int y_offset:int'],
  }),
];

/** `xdg_toplevel_drag_manager_v1.error` */
export const XdgToplevelDragManagerV1Error = {
  invalid_source: 0,
} as const;

/** `xdg_toplevel_drag_v1.error` */
export const XdgToplevelDragV1Error = {
  toplevel_attached: 0,
  ongoing_drag: 1,
} as const;
