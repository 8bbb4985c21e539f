/** The wire facts of content-type-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('wp_content_type_manager_v1', 1, {
    requests: ['destroy!', 'get_surface_content_type id:new_id(wp_content_type_v1) surface:object(wl_surface)'],
  }),
  defineInterface('wp_content_type_v1', 1, {
    requests: ['destroy!', 'set_content_type content_type:uint'],
  }),
];

/** `wp_content_type_manager_v1.error` */
export const WpContentTypeManagerV1Error = {
  already_constructed: 0,
} as const;

/** `wp_content_type_v1.type` */
export const WpContentTypeV1Type = {
  none: 0,
  photo: 1,
  video: 2,
  game: 3,
} as const;
