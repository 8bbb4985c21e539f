/** The wire facts of xdg-activation-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('xdg_activation_v1', 1, {
    requests: [
      'destroy!',
      'get_activation_token id:new_id(xdg_activation_token_v1)',
      'activate token:string surface:object(wl_surface)',
    ],
  }),
  defineInterface('xdg_activation_token_v1', 1, {
    requests: [
      'set_serial serial:uint seat:object(wl_seat)',
      'set_app_id app_id:string',
      'set_surface surface:object(wl_surface)',
      'commit',
      'destroy!',
    ],
    events: ['done token:string'],
  }),
];

/** `xdg_activation_token_v1.error` */
export const XdgActivationTokenV1Error = {
  already_used: 0,
} as const;
