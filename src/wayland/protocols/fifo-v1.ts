/** The wire facts of fifo-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('wp_fifo_manager_v1', 1, {
    requests: ['destroy!', 'get_fifo id:new_id(wp_fifo_v1) surface:object(wl_surface)'],
  }),
  defineInterface('wp_fifo_v1', 1, {
    requests: ['set_barrier', 'wait_barrier', 'destroy!'],
  }),
];

/** `wp_fifo_manager_v1.error` */
export const WpFifoManagerV1Error = {
  already_exists: 0,
} as const;

/** `wp_fifo_v1.error` */
export const WpFifoV1Error = {
  surface_destroyed: 0,
} as const;
