/** The wire facts of ext-session-lock-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('ext_session_lock_manager_v1', 1, {
    requests: ['destroy!', 'lock id:new_id(ext_session_lock_v1)'],
  }),
  defineInterface('ext_session_lock_v1', 1, {
    requests: [
      'destroy!',
      'get_lock_surface id:new_id(ext_session_lock_surface_v1) surface:object(wl_surface) output:object(wl_output)',
      'unlock_and_destroy!',
    ],
    events: ['locked', 'finished'],
  }),
  defineInterface('ext_session_lock_surface_v1', 1, {
    requests: ['destroy!', 'ack_configure serial:uint'],
    events: ['configure serial:uint width:uint height:uint'],
  }),
];

/** `ext_session_lock_v1.error` */
export const ExtSessionLockV1Error = {
  invalid_destroy: 0,
  invalid_unlock: 1,
  role: 2,
  duplicate_output: 3,
  already_constructed: 4,
} as const;

/** `ext_session_lock_surface_v1.error` */
export const ExtSessionLockSurfaceV1Error = {
  commit_before_first_ack: 0,
  null_buffer: 1,
  dimensions_mismatch: 2,
  invalid_serial: 3,
} as const;
