/** The wire facts of xdg-shell.xml. Written by generate.ts: change that, not this. */
import { defineInterface, type Interface } from '../interface.js';

export const interfaces: readonly Interface[] = [
  defineInterface('xdg_wm_base', 7, {
    requests: [
      'destroy!',
      'create_positioner id:new_id(xdg_positioner)',
      'get_xdg_surface id:new_id(xdg_surface) surface:object(wl_surface)',
      'pong serial:uint',
    ],
    events: ['ping serial:uint'],
  }),
  defineInterface('xdg_positioner', 7, {
    requests: [
      'destroy!',
      'set_size width:int height:int',
      'set_anchor_rect x:int y:int width:int height:int',
      'set_anchor anchor:uint',
      'set_gravity gravity:uint',
      'set_constraint_adjustment constraint_adjustment:uint',
      'set_offset x:int y:int',
      'set_reactive@3',
      'set_parent_size@3 parent_width:int parent_height:int',
      'set_parent_configure@3 serial:uint',
    ],
  }),
  defineInterface('xdg_surface', 7, {
    requests: [
      'destroy!',
      'get_toplevel id:new_id(xdg_toplevel)',
      'get_popup id:new_id(xdg_popup) parent:object(xdg_surface)? positioner:object(xdg_positioner)',
      'set_window_geometry x:int y:int width:int height:int',
      'ack_configure serial:uint',
    ],
    events: ['configure serial:uint'],
  }),
  defineInterface('xdg_toplevel', 7, {
    requests: [
      'destroy!',
      'set_parent parent:object(xdg_toplevel)?',
      'set_title title:string',
      'set_app_id app_id:string',
      'show_window_menu seat:object(wl_seat) serial:uint x:int y:int',
      'move seat:object(wl_seat) serial:uint',
      'resize seat:object(wl_seat) serial:uint edges:uint',
      'set_max_size width:int height:int',
      'set_min_size width:int height:int',
      'set_maximized',
      'unset_maximized',
      'set_fullscreen output:object(wl_output)?',
      'unset_fullscreen',
      'set_minimized',
    ],
    events: [
      'configure width:int height:int states:array',
      'close',
      'configure_bounds@4 width:int height:int',
      'wm_capabilities@5 capabilities:array',
    ],
  }),
  defineInterface('xdg_popup', 7, {
    requests: [
      'destroy!',
      'grab seat:object(wl_seat) serial:uint',
      'reposition@3 positioner:object(xdg_positioner) token:uint',
    ],
    events: ['configure x:int y:int width:int height:int', 'popup_done', 'repositioned@3 token:uint'],
  }),
];
