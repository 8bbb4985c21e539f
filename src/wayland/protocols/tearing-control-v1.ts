/** The wire facts of tearing-control-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('wp_tearing_control_manager_v1', 1, {
    requests: ['destroy!', 'get_tearing_control id:new_id(wp_tearing_control_v1) surface:object(wl_surface)'],
  }),
  defineInterface('wp_tearing_control_v1', 1, {
    requests: ['set_presentation_hint hint:uint', 'destroy!'],
  }),
];

/** `wp_tearing_control_manager_v1.error` */
export const WpTearingControlManagerV1Error = {
  tearing_control_exists: 0,
} as const;

/** `wp_tearing_control_v1.presentation_hint` */
export const WpTearingControlV1PresentationHint = {
  vsync: 0,
  async: 1,
} as const;
