/**
 * Pointer events made by a client, privileged: never offered to a remote client.
 * No Debian package ships this protocol's XML, so the table is written by hand.
 */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('zwlr_virtual_pointer_v1', 2, {
    requests: [
      'motion time:uint dx:fixed dy:fixed',
      'motion_absolute time:uint x:uint y:uint x_extent:uint y_extent:uint',
      'button time:uint button:uint state:uint',
      'axis time:uint axis:uint value:fixed',
      'frame',
      'axis_source axis_source:uint',
      'axis_stop time:uint axis:uint',
      'axis_discrete time:uint axis:uint value:fixed discrete:int',
      'destroy!',
    ],
  }),
  defineInterface('zwlr_virtual_pointer_manager_v1', 2, {
    requests: [
      'create_virtual_pointer seat:object(wl_seat)? id:new_id(zwlr_virtual_pointer_v1)',
      'destroy!',
      'create_virtual_pointer_with_output@2 seat:object(wl_seat)? output:object(wl_output)? id:new_id(zwlr_virtual_pointer_v1)',
    ],
  }),
];
