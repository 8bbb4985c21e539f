/** The wire facts of tearing-control-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface, type Interface } from '../interface.js';

export const interfaces: readonly Interface[] = [
  defineInterface('wp_tearing_control_manager_v1', 1, {
    requests: ['destroy!', 'get_tearing_control id:new_id(wp_tearing_control_v1) surface:object(wl_surface)'],
  }),
  defineInterface('wp_tearing_control_v1', 1, {
    requests: ['set_presentation_hint hint:uint', 'destroy!'],
  }),
];
