/** The wire facts of xdg-session-management-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface, type Interface } from '../interface.js';

export const interfaces: readonly Interface[] = [
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
