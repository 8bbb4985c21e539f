/** The wire facts of idle-inhibit-unstable-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('zwp_idle_inhibit_manager_v1', 1, {
    requests: ['destroy!', 'create_inhibitor id:new_id(zwp_idle_inhibitor_v1) surface:object(wl_surface)'],
  }),
  defineInterface('zwp_idle_inhibitor_v1', 1, {
    requests: ['destroy!'],
  }),
];
