/** The wire facts of fractional-scale-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('wp_fractional_scale_manager_v1', 1, {
    requests: ['destroy!', 'get_fractional_scale id:new_id(wp_fractional_scale_v1) surface:object(wl_surface)'],
  }),
  defineInterface('wp_fractional_scale_v1', 1, {
    requests: ['destroy!'],
    events: ['preferred_scale scale:uint'],
  }),
];

/** `wp_fractional_scale_manager_v1.error` */
export const WpFractionalScaleManagerV1Error = {
  fractional_scale_exists: 0,
} as const;
