/** The wire facts of color-representation-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface, type Interface } from '../interface.js';

export const interfaces: readonly Interface[] = [
  defineInterface('wp_color_representation_manager_v1', 1, {
    requests: ['destroy!', 'get_surface id:new_id(wp_color_representation_surface_v1) surface:object(wl_surface)'],
    events: [
      'supported_alpha_mode alpha_mode:uint',
      'supported_coefficients_and_ranges coefficients:uint range:uint',
      'done',
    ],
  }),
  defineInterface('wp_color_representation_surface_v1', 1, {
    requests: [
      'destroy!',
      'set_alpha_mode alpha_mode:uint',
      'set_coefficients_and_range coefficients:uint range:uint',
      'set_chroma_location chroma_location:uint',
    ],
  }),
];
