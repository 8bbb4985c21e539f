/** The wire facts of pointer-gestures-unstable-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('zwp_pointer_gestures_v1', 3, {
    requests: [
      'get_swipe_gesture id:new_id(zwp_pointer_gesture_swipe_v1) pointer:object(wl_pointer)',
      'get_pinch_gesture id:new_id(zwp_pointer_gesture_pinch_v1) pointer:object(wl_pointer)',
      'release!@2',
      'get_hold_gesture@3 id:new_id(zwp_pointer_gesture_hold_v1) pointer:object(wl_pointer)',
    ],
  }),
  defineInterface('zwp_pointer_gesture_swipe_v1', 3, {
    requests: ['destroy!'],
    events: [
      'begin serial:uint time:uint surface:object(wl_surface) fingers:uint',
      'update time:uint dx:fixed dy:fixed',
      'end serial:uint time:uint cancelled:int',
    ],
  }),
  defineInterface('zwp_pointer_gesture_pinch_v1', 3, {
    requests: ['destroy!'],
    events: [
      'begin serial:uint time:uint surface:object(wl_surface) fingers:uint',
      'update time:uint dx:fixed dy:fixed scale:fixed rotation:fixed',
      'end serial:uint time:uint cancelled:int',
    ],
  }),
  defineInterface('zwp_pointer_gesture_hold_v1', 3, {
    requests: ['destroy!@3'],
    events: [
      'begin@3 serial:uint time:uint surface:object(wl_surface) fingers:uint',
      'end@3 serial:uint time:uint cancelled:int',
    ],
  }),
];
