/**
 * A task bar's view of all windows, privileged: never offered to a remote client.
 * No Debian package ships this protocol's XML, so the table is written by hand.
 */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('zwlr_foreign_toplevel_manager_v1', 3, {
    requests: ['stop'],
    events: ['toplevel toplevel:new_id(zwlr_foreign_toplevel_handle_v1)', 'finished'],
  }),
  defineInterface('zwlr_foreign_toplevel_handle_v1', 3, {
    requests: [
      'set_maximized',
      'unset_maximized',
      'set_minimized',
      'unset_minimized',
      'activate seat:object(wl_seat)',
      'close',
      'set_rectangle surface:object(wl_surface) x:int y:int width:int height:int',
      'destroy!',
      'set_fullscreen@2 output:object(wl_output)?',
      'unset_fullscreen@2',
    ],
    events: [
      'title title:string',
      'app_id app_id:string',
      'output_enter output:object(wl_output)',
      'output_leave output:object(wl_output)',
      'state state:array',
      'done',
      'closed',
      'parent@3 parent:object(zwlr_foreign_toplevel_handle_v1)?',
    ],
  }),
];
