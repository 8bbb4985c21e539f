/** The wire facts of linux-explicit-synchronization-unstable-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('zwp_linux_explicit_synchronization_v1', 2, {
    requests: [
      'destroy!',
      'get_synchronization id:new_id(zwp_linux_surface_synchronization_v1) surface:object(wl_surface)',
    ],
  }),
  defineInterface('zwp_linux_surface_synchronization_v1', 2, {
    requests: ['destroy!', 'set_acquire_fence fd:fd', 'get_release release:new_id(zwp_linux_buffer_release_v1)'],
  }),
  defineInterface('zwp_linux_buffer_release_v1', 1, {
    events: ['fenced_release! fence:fd', 'immediate_release!'],
  }),
];

/** `zwp_linux_explicit_synchronization_v1.error` */
export const ZwpLinuxExplicitSynchronizationV1Error = {
  synchronization_exists: 0,
} as const;

/** `zwp_linux_surface_synchronization_v1.error` */
export const ZwpLinuxSurfaceSynchronizationV1Error = {
  invalid_fence: 0,
  duplicate_fence: 1,
  duplicate_release: 2,
  no_surface: 3,
  unsupported_buffer: 4,
  no_buffer: 5,
} as const;
