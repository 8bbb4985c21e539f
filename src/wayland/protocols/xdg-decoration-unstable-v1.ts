/** The wire facts of xdg-decoration-unstable-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('zxdg_decoration_manager_v1', 2, {
    requests: [
      'destroy!',
      'get_toplevel_decoration id:new_id(zxdg_toplevel_decoration_v1) toplevel:object(xdg_toplevel)',
    ],
  }),
  defineInterface('zxdg_toplevel_decoration_v1', 2, {
    requests: ['destroy!', 'set_mode mode:uint', 'unset_mode'],
    events: ['configure mode:uint'],
  }),
];

/** `zxdg_toplevel_decoration_v1.error` */
export const ZxdgToplevelDecorationV1Error = {
  unconfigured_buffer: 0,
  already_constructed: 1,
  orphaned: 2,
  invalid_mode: 3,
} as const;

/** `zxdg_toplevel_decoration_v1.mode` */
export const ZxdgToplevelDecorationV1Mode = {
  client_side: 1,
  server_side: 2,
} as const;
