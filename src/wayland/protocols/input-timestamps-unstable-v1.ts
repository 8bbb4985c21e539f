/** The wire facts of input-timestamps-unstable-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('zwp_input_timestamps_manager_v1', 1, {
    requests: [
      'destroy!',
      'get_keyboard_timestamps id:new_id(zwp_input_timestamps_v1) keyboard:object(wl_keyboard)',
      'get_pointer_timestamps id:new_id(zwp_input_timestamps_v1) pointer:object(wl_pointer)',
      'get_touch_timestamps id:new_id(zwp_input_timestamps_v1) touch:object(wl_touch)',
    ],
  }),
  defineInterface('zwp_input_timestamps_v1', 1, {
    requests: ['destroy!'],
    events: ['timestamp tv_sec_hi:uint tv_sec_lo:uint tv_nsec:uint'],
  }),
];
