/** The wire facts of text-input-unstable-v3.xml. Written by generate.ts: change that, not this. */
import { defineInterface, type Interface } from '../interface.js';

export const interfaces: readonly Interface[] = [
  defineInterface('zwp_text_input_v3', 2, {
    requests: [
      'destroy!',
      'enable',
      'disable',
      'set_surrounding_text text:string cursor:int anchor:int',
      'set_text_change_cause cause:uint',
      'set_content_type hint:uint purpose:uint',
      'set_cursor_rectangle x:int y:int width:int height:int',
      'commit',
      'set_available_actions@2 available_actions:array',
      'show_input_panel@2',
      'hide_input_panel@2',
    ],
    events: [
      'enter surface:object(wl_surface)',
      'leave surface:object(wl_surface)',
      'preedit_string text:string? cursor_begin:int cursor_end:int',
      'commit_string text:string?',
      'delete_surrounding_text before_length:uint after_length:uint',
      'done serial:uint',
      'action@2 action:uint serial:uint',
      'language@2 language:string',
      'preedit_hint@2 start:uint end:uint hint:uint',
    ],
  }),
  defineInterface('zwp_text_input_manager_v3', 2, {
    requests: ['destroy!', 'get_text_input id:new_id(zwp_text_input_v3) seat:object(wl_seat)'],
  }),
];
