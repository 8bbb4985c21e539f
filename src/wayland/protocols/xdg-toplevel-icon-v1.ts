/** The wire facts of xdg-toplevel-icon-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('xdg_toplevel_icon_manager_v1', 1, {
    requests: [
      'destroy!',
      'create_icon id:new_id(xdg_toplevel_icon_v1)',
      'set_icon toplevel:object(xdg_toplevel) icon:object(xdg_toplevel_icon_v1)?',
    ],
    events: ['icon_size size:int', 'done'],
  }),
  defineInterface('xdg_toplevel_icon_v1', 1, {
    requests: ['destroy!', 'set_name icon_name:string', 'add_buffer buffer:object(wl_buffer) scale:int'],
  }),
];

/** `xdg_toplevel_icon_v1.error` */
export const XdgToplevelIconV1Error = {
  invalid_buffer: 1,
  immutable: 2,
  no_buffer: 3,
} as const;
