/** The wire facts of presentation-time.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('wp_presentation', 2, {
    requests: ['destroy!', 'feedback surface:object(wl_surface) callback:new_id(wp_presentation_feedback)'],
    events: ['clock_id clk_id:uint'],
  }),
  defineInterface('wp_presentation_feedback', 2, {
    events: [
      'sync_output output:object(wl_output)',
      'presented! tv_sec_hi:uint tv_sec_lo:uint tv_nsec:uint refresh:uint seq_hi:uint seq_lo:uint flags:uint',
      'discarded!',
    ],
  }),
];

/** `wp_presentation.error` */
export const WpPresentationError = {
  invalid_timestamp: 0,
  invalid_flag: 1,
} as const;

/** `wp_presentation_feedback.kind` */
export const WpPresentationFeedbackKind = {
  vsync: 0x1,
  hw_clock: 0x2,
  hw_completion: 0x4,
  zero_copy: 0x8,
} as const;
