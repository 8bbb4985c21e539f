/**
 * Key events made by a client, privileged: never offered to a remote client.
 * No Debian package ships this protocol's XML, so the table is written by hand.
 */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('zwp_virtual_keyboard_v1', 1, {
    requests: [
      'keymap format:uint fd:fd size:uint',
      'key time:uint key:uint state:uint',
      'modifiers mods_depressed:uint mods_latched:uint mods_locked:uint group:uint',
      'destroy!',
    ],
  }),
  defineInterface('zwp_virtual_keyboard_manager_v1', 1, {
    requests: ['create_virtual_keyboard seat:object(wl_seat) id:new_id(zwp_virtual_keyboard_v1)'],
  }),
];
