/** The wire facts of viewporter.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('wp_viewporter', 1, {
    requests: ['destroy!', 'get_viewport id:new_id(wp_viewport) surface:object(wl_surface)'],
  }),
  defineInterface('wp_viewport', 1, {
    requests: [
      'destroy!',
      'set_source x:fixed y:fixed width:fixed height:fixed',
      'set_destination width:int height:int',
    ],
  }),
];

/** `wp_viewporter.error` */
export const WpViewporterError = {
  viewport_exists: 0,
} as const;

/** `wp_viewport.error` */
export const WpViewportError = {
  bad_value: 0,
  bad_size: 1,
  out_of_buffer: 2,
  no_surface: 3,
} as const;
