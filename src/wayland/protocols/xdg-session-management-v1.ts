/** The wire facts of xdg-session-management-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('xdg_session_manager_v1', 1, {
    requests: ['destroy!', 'get_session id:new_id(xdg_session_v1) reason:uint session_id:string?'],
  }),
  defineInterface('xdg_session_v1', 1, {
    requests: [
      'destroy!',
      'remove!',
      'add_toplevel id:new_id(xdg_toplevel_session_v1) toplevel:object(xdg_toplevel) name:string',
      'restore_toplevel id:new_id(xdg_toplevel_session_v1) toplevel:object(xdg_toplevel) name:string',
      'remove_toplevel name:string',
    ],
    events: ['created session_id:string', 'restored', 'replaced'],
  }),
  defineInterface('xdg_toplevel_session_v1', 1, {
    requests: ['destroy!', 'rename name:string'],
    events: ['restored'],
  }),
];

/** `xdg_session_manager_v1.error` */
export const XdgSessionManagerV1Error = {
  in_use: 1,
  invalid_session_id: 2,
  invalid_reason: 3,
} as const;

/** `xdg_session_manager_v1.reason` */
export const XdgSessionManagerV1Reason = {
  launch: 1,
  recover: 2,
  session_restore: 3,
} as const;

/** `xdg_session_v1.error` */
export const XdgSessionV1Error = {
  name_in_use: 1,
  already_mapped: 2,
  invalid_name: 3,
  already_added: 4,
} as const;
