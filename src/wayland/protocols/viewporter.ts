/** The wire facts of viewporter.xml. Written by generate.ts: change that, not this. */
import { defineInterface, type Interface } from '../interface.js';

export const interfaces: readonly Interface[] = [
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
