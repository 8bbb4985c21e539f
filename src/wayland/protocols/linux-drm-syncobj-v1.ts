/** The wire facts of linux-drm-syncobj-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface, type Interface } from '../interface.js';

export const interfaces: readonly Interface[] = [
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
