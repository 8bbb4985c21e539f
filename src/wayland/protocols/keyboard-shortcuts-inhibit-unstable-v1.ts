/** The wire facts of keyboard-shortcuts-inhibit-unstable-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('zwp_keyboard_shortcuts_inhibit_manager_v1', 1, {
    requests: [
      'destroy!',
      'inhibit_shortcuts id:new_id(zwp_keyboard_shortcuts_inhibitor_v1) surface:object(wl_surface) seat:object(wl_seat)',
    ],
  }),
  defineInterface('zwp_keyboard_shortcuts_inhibitor_v1', 1, {
    requests: ['destroy!'],
    events: ['active', 'inactive'],
  }),
];

/** `zwp_keyboard_shortcuts_inhibit_manager_v1.error` */
export const ZwpKeyboardShortcutsInhibitManagerV1Error = {
  already_inhibited: 0,
} as const;
