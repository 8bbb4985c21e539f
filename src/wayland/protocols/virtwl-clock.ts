/**
 * Our own private extension for clocks, spoken only on the link between the client proxy and the glue: two VMs do not
 * have the same CLOCK_MONOTONIC, and what a compositor says of a frame's time is of its own. No application and no
 * compositor ever sees it.
 *
 * `read` is answered, at once, by `time`: the clock of the glue's VM when it had the request. `serial` comes back as it was.
 */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('virtwl_clock_v1', 1, {
    requests: ['destroy!', 'read serial:uint'],
    events: ['time serial:uint tv_sec_hi:uint tv_sec_lo:uint tv_nsec:uint'],
  }),
];
