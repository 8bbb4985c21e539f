/** The wire facts of pointer-warp-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('wp_pointer_warp_v1', 1, {
    requests: [
      'destroy!',
      'warp_pointer surface:object(wl_surface) pointer:object(wl_pointer) x:fixed y:fixed serial:uint',
    ],
  }),
];
