/** The wire facts of xdg-decoration-unstable-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface, type Interface } from '../interface.js';

export const interfaces: readonly Interface[] = [
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
