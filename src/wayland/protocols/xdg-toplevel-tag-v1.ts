/** The wire facts of xdg-toplevel-tag-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('xdg_toplevel_tag_manager_v1', 1, {
    requests: [
      'destroy!',
      'set_toplevel_tag toplevel:object(xdg_toplevel) tag:string',
      'set_toplevel_description toplevel:object(xdg_toplevel) description:string',
    ],
  }),
];
