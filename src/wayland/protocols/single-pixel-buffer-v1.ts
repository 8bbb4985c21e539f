/** The wire facts of single-pixel-buffer-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('wp_single_pixel_buffer_manager_v1', 1, {
    requests: ['destroy!', 'create_u32_rgba_buffer id:new_id(wl_buffer) r:uint g:uint b:uint a:uint'],
  }),
];
