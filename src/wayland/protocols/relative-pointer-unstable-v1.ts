/** The wire facts of relative-pointer-unstable-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('zwp_relative_pointer_manager_v1', 1, {
    requests: ['destroy!', 'get_relative_pointer id:new_id(zwp_relative_pointer_v1) pointer:object(wl_pointer)'],
  }),
  defineInterface('zwp_relative_pointer_v1', 1, {
    requests: ['destroy!'],
    events: ['relative_motion utime_hi:uint utime_lo:uint dx:fixed dy:fixed dx_unaccel:fixed dy_unaccel:fixed'],
  }),
];
