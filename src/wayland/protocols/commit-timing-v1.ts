/** The wire facts of commit-timing-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('wp_commit_timing_manager_v1', 1, {
    requests: ['destroy!', 'get_timer id:new_id(wp_commit_timer_v1) surface:object(wl_surface)'],
  }),
  defineInterface('wp_commit_timer_v1', 1, {
    requests: ['set_timestamp tv_sec_hi:uint tv_sec_lo:uint tv_nsec:uint', 'destroy!'],
  }),
];

/** `wp_commit_timing_manager_v1.error` */
export const WpCommitTimingManagerV1Error = {
  commit_timer_exists: 0,
} as const;

/** `wp_commit_timer_v1.error` */
export const WpCommitTimerV1Error = {
  invalid_timestamp: 0,
  timestamp_exists: 1,
  surface_destroyed: 2,
} as const;
