/** The wire facts of text-input-unstable-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
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

/** `zwp_text_input_v1.content_hint` */
export const ZwpTextInputV1ContentHint = {
  none: 0x0,
  default: 0x7,
  password: 0xc0,
  auto_completion: 0x1,
  auto_correction: 0x2,
  auto_capitalization: 0x4,
  lowercase: 0x8,
  uppercase: 0x10,
  titlecase: 0x20,
  hidden_text: 0x40,
  sensitive_data: 0x80,
  latin: 0x100,
  multiline: 0x200,
} as const;

/** `zwp_text_input_v1.content_purpose` */
export const ZwpTextInputV1ContentPurpose = {
  normal: 0,
  alpha: 1,
  digits: 2,
  number: 3,
  phone: 4,
  url: 5,
  email: 6,
  name: 7,
  password: 8,
  date: 9,
  time: 10,
  datetime: 11,
  terminal: 12,
} as const;

/** `zwp_text_input_v1.preedit_style` */
export const ZwpTextInputV1PreeditStyle = {
  default: 0,
  none: 1,
  active: 2,
  inactive: 3,
  highlight: 4,
  underline: 5,
  selection: 6,
  incorrect: 7,
} as const;

/** `zwp_text_input_v1.text_direction` */
export const ZwpTextInputV1TextDirection = {
  auto: 0,
  ltr: 1,
  rtl: 2,
} as const;
