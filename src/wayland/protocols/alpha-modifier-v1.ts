/** The wire facts of alpha-modifier-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface, type Interface } from '../interface.js';

export const interfaces: readonly Interface[] = [
  defineInterface('wp_alpha_modifier_v1', 1, {
    requests: ['destroy!', 'get_surface id:new_id(wp_alpha_modifier_surface_v1) surface:object(wl_surface)'],
  }),
  defineInterface('wp_alpha_modifier_surface_v1', 1, {
    requests: ['destroy!', 'set_multiplier factor:uint'],
  }),
];
