/** The wire facts of linux-drm-syncobj-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('wp_linux_drm_syncobj_manager_v1', 1, {
    requests: [
      'destroy!',
      'get_surface id:new_id(wp_linux_drm_syncobj_surface_v1) surface:object(wl_surface)',
      'import_timeline id:new_id(wp_linux_drm_syncobj_timeline_v1) fd:fd',
    ],
  }),
  defineInterface('wp_linux_drm_syncobj_timeline_v1', 1, {
    requests: ['destroy!'],
  }),
  defineInterface('wp_linux_drm_syncobj_surface_v1', 1, {
    requests: [
      'destroy!',
      'set_acquire_point timeline:object(wp_linux_drm_syncobj_timeline_v1) point_hi:uint point_lo:uint',
      'set_release_point timeline:object(wp_linux_drm_syncobj_timeline_v1) point_hi:uint point_lo:uint',
    ],
  }),
];

/** `wp_linux_drm_syncobj_manager_v1.error` */
export const WpLinuxDrmSyncobjManagerV1Error = {
  surface_exists: 0,
  invalid_timeline: 1,
} as const;

/** `wp_linux_drm_syncobj_surface_v1.error` */
export const WpLinuxDrmSyncobjSurfaceV1Error = {
  no_surface: 1,
  unsupported_buffer: 2,
  no_buffer: 3,
  no_acquire_point: 4,
  no_release_point: 5,
  conflicting_points: 6,
} as const;
