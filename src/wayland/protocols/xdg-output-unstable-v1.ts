/** The wire facts of xdg-output-unstable-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('zxdg_output_manager_v1', 3, {
    requests: ['destroy!', 'get_xdg_output id:new_id(zxdg_output_v1) output:object(wl_output)'],
  }),
  defineInterface('zxdg_output_v1', 3, {
    requests: ['destroy!'],
    events: [
      'logical_position x:int y:int',
      'logical_size width:int height:int',
      'done',
      'name@2 name:string',
      'description@2 description:string',
    ],
  }),
];
