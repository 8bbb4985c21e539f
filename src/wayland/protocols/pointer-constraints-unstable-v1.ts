/** The wire facts of pointer-constraints-unstable-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('zwp_pointer_constraints_v1', 1, {
    requests: [
      'destroy!',
      'lock_pointer id:new_id(zwp_locked_pointer_v1) surface:object(wl_surface) pointer:object(wl_pointer) region:object(wl_region)? lifetime:uint',
      'confine_pointer id:new_id(zwp_confined_pointer_v1) surface:object(wl_surface) pointer:object(wl_pointer) region:object(wl_region)? lifetime:uint',
    ],
  }),
  defineInterface('zwp_locked_pointer_v1', 1, {
    requests: [
      'destroy!',
      'set_cursor_position_hint surface_x:fixed surface_y:fixed',
      'set_region region:object(wl_region)?',
    ],
    events: ['locked', 'unlocked'],
  }),
  defineInterface('zwp_confined_pointer_v1', 1, {
    requests: ['destroy!', 'set_region region:object(wl_region)?'],
    events: ['confined', 'unconfined'],
  }),
];

/** `zwp_pointer_constraints_v1.error` */
export const ZwpPointerConstraintsV1Error = {
  already_constrained: 1,
} as const;

/** `zwp_pointer_constraints_v1.lifetime` */
export const ZwpPointerConstraintsV1Lifetime = {
  oneshot: 1,
  persistent: 2,
} as const;
