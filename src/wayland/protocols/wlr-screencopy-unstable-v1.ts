/**
 * Screen capture of wlroots compositors, privileged: never offered to a remote client.
 * No Debian package ships this protocol's XML, so the table is written by hand.
 */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('zwlr_screencopy_manager_v1', 3, {
    requests: [
      'capture_output frame:new_id(zwlr_screencopy_frame_v1) overlay_cursor:int output:object(wl_output)',
      'capture_output_region frame:new_id(zwlr_screencopy_frame_v1) overlay_cursor:int output:object(wl_output) x:int y:int width:int height:int',
      'destroy!',
    ],
  }),
  defineInterface('zwlr_screencopy_frame_v1', 3, {
    requests: ['copy buffer:object(wl_buffer)', 'destroy!', 'copy_with_damage@2 buffer:object(wl_buffer)'],
    events: [
      'buffer format:uint width:uint height:uint stride:uint',
      'flags flags:uint',
      'ready tv_sec_hi:uint tv_sec_lo:uint tv_nsec:uint',
      'failed',
      'damage@2 x:uint y:uint width:uint height:uint',
      'linux_dmabuf@3 format:uint width:uint height:uint',
      'buffer_done@3',
    ],
  }),
];
