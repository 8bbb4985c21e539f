/** The wire facts of linux-explicit-synchronization-unstable-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface, type Interface } from '../interface.js';

export const interfaces: readonly Interface[] = [
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
