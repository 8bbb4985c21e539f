/**
 * The glue's answers about its clock (`virtwl_clock_v1`), by which a client VM translates the times of the compositor
 * into its own. Glue and compositor are in one VM and so have the same CLOCK_MONOTONIC.
 */
import { Verdict } from '../src/relay/call.js';
import type { Concern } from '../src/relay/chain.js';
import { timestamp } from '../src/wayland/timestamp.js';

/** Our own global in a remote client's registry; its name is far away from those that compositors count up. */
export const CLOCK_GLOBAL = { name: 0x76776c02, interface: 'virtwl_clock_v1', version: 1 } as const;

export const clockConcern: Concern = {
  name: 'clock',
  requests: {
    virtwl_clock_v1: {
      read: ({ relay, object, args: { serial } }) => {
        relay.emitEvent(object, 'time', { serial, ...timestamp(process.hrtime.bigint()) });
        return Verdict.Drop;
      },
      destroy: () => Verdict.Drop,
    },
  },
};
