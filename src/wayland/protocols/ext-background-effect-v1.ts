/** The wire facts of ext-background-effect-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('ext_background_effect_manager_v1', 1, {
    requests: [
      'destroy!',
      'get_background_effect id:new_id(ext_background_effect_surface_v1) surface:object(wl_surface)',
    ],
    events: ['capabilities flags:uint'],
  }),
  defineInterface('ext_background_effect_surface_v1', 1, {
    requests: ['destroy!', 'set_blur_region region:object(wl_region)?'],
  }),
];

/** `ext_background_effect_manager_v1.error` */
export const ExtBackgroundEffectManagerV1Error = {
  background_effect_exists: 0,
} as const;

/** `ext_background_effect_manager_v1.capability` */
export const ExtBackgroundEffectManagerV1Capability = {
  blur: 1,
} as const;

/** `ext_background_effect_surface_v1.error` */
export const ExtBackgroundEffectSurfaceV1Error = {
  surface_destroyed: 0,
} as const;
