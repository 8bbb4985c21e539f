/** The wire facts of alpha-modifier-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('wp_alpha_modifier_v1', 1, {
    requests: ['destroy!', 'get_surface id:new_id(wp_alpha_modifier_surface_v1) surface:object(wl_surface)'],
  }),
  defineInterface('wp_alpha_modifier_surface_v1', 1, {
    requests: ['destroy!', 'set_multiplier factor:uint'],
  }),
];

/** `wp_alpha_modifier_v1.error` */
export const WpAlphaModifierV1Error = {
  already_constructed: 0,
} as const;

/** `wp_alpha_modifier_surface_v1.error` */
export const WpAlphaModifierSurfaceV1Error = {
  no_surface: 0,
} as const;
