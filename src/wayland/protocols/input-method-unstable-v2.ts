/**
 * An input method: text for the program that is typed into, privileged: never offered to a remote client.
 * No Debian package ships this protocol's XML, so the table is written by hand.
 */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('zwp_input_method_v2', 1, {
    requests: [
      'commit_string text:string',
      'set_preedit_string text:string cursor_begin:int cursor_end:int',
      'delete_surrounding_text before_length:uint after_length:uint',
      'commit serial:uint',
      'get_input_popup_surface id:new_id(zwp_input_popup_surface_v2) surface:object(wl_surface)',
      'grab_keyboard keyboard:new_id(zwp_input_method_keyboard_grab_v2)',
      'destroy!',
    ],
    events: [
      'activate',
      'deactivate',
      'surrounding_text text:string cursor:uint anchor:uint',
      'text_change_cause cause:uint',
      'content_type hint:uint purpose:uint',
      'done',
      'unavailable',
    ],
  }),
  defineInterface('zwp_input_popup_surface_v2', 1, {
    requests: ['destroy!'],
    events: ['text_input_rectangle x:int y:int width:int height:int'],
  }),
  defineInterface('zwp_input_method_keyboard_grab_v2', 1, {
    requests: ['release!'],
    events: [
      'keymap format:uint fd:fd size:uint',
      'key serial:uint time:uint key:uint state:uint',
      'modifiers serial:uint mods_depressed:uint mods_latched:uint mods_locked:uint group:uint',
      'repeat_info rate:int delay:int',
    ],
  }),
  defineInterface('zwp_input_method_manager_v2', 1, {
    requests: ['get_input_method seat:object(wl_seat) input_method:new_id(zwp_input_method_v2)', 'destroy!'],
  }),
];
