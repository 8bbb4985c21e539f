/** The wire facts of text-input-unstable-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface, type Interface } from '../interface.js';

export const interfaces: readonly Interface[] = [
  defineInterface('zwp_text_input_v1', 1, {
    requests: [
      'activate seat:object(wl_seat) surface:object(wl_surface)',
      'deactivate seat:object(wl_seat)',
      'show_input_panel',
      'hide_input_panel',
      'reset',
      'set_surrounding_text text:string cursor:uint anchor:uint',
      'set_content_type hint:uint purpose:uint',
      'set_cursor_rectangle x:int y:int width:int height:int',
      'set_preferred_language language:string',
      'commit_state serial:uint',
      'invoke_action button:uint index:uint',
    ],
    events: [
      'enter surface:object(wl_surface)',
      'leave',
      'modifiers_map map:array',
      'input_panel_state state:uint',
      'preedit_string serial:uint text:string commit:string',
      'preedit_styling index:uint length:uint style:uint',
      'preedit_cursor index:int',
      'commit_string serial:uint text:string',
      'cursor_position index:int anchor:int',
      'delete_surrounding_text index:int length:uint',
      'keysym serial:uint time:uint sym:uint state:uint modifiers:uint',
      'language serial:uint language:string',
      'text_direction serial:uint direction:uint',
    ],
  }),
  defineInterface('zwp_text_input_manager_v1', 1, {
    requests: ['create_text_input id:new_id(zwp_text_input_v1)'],
  }),
];
