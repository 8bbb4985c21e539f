/** The wire facts of fifo-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface, type Interface } from '../interface.js';

export const interfaces: readonly Interface[] = [
  defineInterface('wp_fifo_manager_v1', 1, {
    requests: ['destroy!', 'get_fifo id:new_id(wp_fifo_v1) surface:object(wl_surface)'],
  }),
  defineInterface('wp_fifo_v1', 1, {
    requests: ['set_barrier', 'wait_barrier', 'destroy!'],
  }),
];
