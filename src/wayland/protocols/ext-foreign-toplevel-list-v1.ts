/** The wire facts of ext-foreign-toplevel-list-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('ext_foreign_toplevel_list_v1', 1, {
    requests: ['stop', 'destroy!'],
    events: ['toplevel toplevel:new_id(ext_foreign_toplevel_handle_v1)', 'finished'],
  }),
  defineInterface('ext_foreign_toplevel_handle_v1', 1, {
    requests: ['destroy!'],
    events: ['closed', 'done', 'title title:string', 'app_id app_id:string', 'identifier identifier:string'],
  }),
];
