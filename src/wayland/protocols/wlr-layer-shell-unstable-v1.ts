/**
 * Panels and backgrounds, privileged: never offered to a remote client.
 * No Debian package ships this protocol's XML, so the table is written by hand.
 */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('zwlr_layer_shell_v1', 4, {
    requests: [
      'get_layer_surface id:new_id(zwlr_layer_surface_v1) surface:object(wl_surface) output:object(wl_output)? layer:uint namespace:string',
      'destroy!@3',
    ],
  }),
  defineInterface('zwlr_layer_surface_v1', 4, {
    requests: [
      'set_size width:uint height:uint',
      'set_anchor anchor:uint',
      'set_exclusive_zone zone:int',
      'set_margin top:int right:int bottom:int left:int',
      'set_keyboard_interactivity keyboard_interactivity:uint',
      'get_popup popup:object(xdg_popup)',
      'ack_configure serial:uint',
      'destroy!',
      'set_layer@2 layer:uint',
    ],
    events: ['configure serial:uint width:uint height:uint', 'closed'],
  }),
];
