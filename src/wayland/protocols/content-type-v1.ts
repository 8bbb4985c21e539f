/** The wire facts of content-type-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface, type Interface } from '../interface.js';

export const interfaces: readonly Interface[] = [
  defineInterface('wp_content_type_manager_v1', 1, {
    requests: ['destroy!', 'get_surface_content_type id:new_id(wp_content_type_v1) surface:object(wl_surface)'],
  }),
  defineInterface('wp_content_type_v1', 1, {
    requests: ['destroy!', 'set_content_type content_type:uint'],
  }),
];
