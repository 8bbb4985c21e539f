/** The wire facts of xdg-dialog-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('xdg_wm_dialog_v1', 1, {
    requests: ['destroy!', 'get_xdg_dialog id:new_id(xdg_dialog_v1) toplevel:object(xdg_toplevel)'],
  }),
  defineInterface('xdg_dialog_v1', 1, {
    requests: ['destroy!', 'set_modal', 'unset_modal'],
  }),
];

/** `xdg_wm_dialog_v1.error` */
export const XdgWmDialogV1Error = {
  already_used: 0,
} as const;
