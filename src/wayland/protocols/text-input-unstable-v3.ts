/** The wire facts of text-input-unstable-v3.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
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

/** `zwp_text_input_v3.change_cause` */
export const ZwpTextInputV3ChangeCause = {
  input_method: 0,
  other: 1,
} as const;

/** `zwp_text_input_v3.content_hint` */
export const ZwpTextInputV3ContentHint = {
  none: 0x0,
  completion: 0x1,
  spellcheck: 0x2,
  auto_capitalization: 0x4,
  lowercase: 0x8,
  uppercase: 0x10,
  titlecase: 0x20,
  hidden_text: 0x40,
  sensitive_data: 0x80,
  latin: 0x100,
  multiline: 0x200,
  on_screen_input_provided: 0x400,
  no_emoji: 0x800,
  preedit_shown: 0x1000,
} as const;

/** `zwp_text_input_v3.content_purpose` */
export const ZwpTextInputV3ContentPurpose = {
  normal: 0,
  alpha: 1,
  digits: 2,
  number: 3,
  phone: 4,
  url: 5,
  email: 6,
  name: 7,
  password: 8,
  pin: 9,
  date: 10,
  time: 11,
  datetime: 12,
  terminal: 13,
} as const;

/** `zwp_text_input_v3.error` */
export const ZwpTextInputV3Error = {
  invalid_action: 0,
} as const;

/** `zwp_text_input_v3.action` */
export const ZwpTextInputV3Action = {
  none: 0,
  submit: 1,
} as const;

/** `zwp_text_input_v3.preedit_hint` */
export const ZwpTextInputV3PreeditHint = {
  whole: 1,
  selection: 2,
  prediction: 3,
  prefix: 4,
  suffix: 5,
  spelling_error: 6,
  compose_error: 7,
} as const;
