/** The wire facts of ext-session-lock-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface, type Interface } from '../interface.js';

export const interfaces: readonly Interface[] = [
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
