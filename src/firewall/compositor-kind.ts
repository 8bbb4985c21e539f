/**
 * Whether the compositor is one of wlroots 0.15 or a little newer, by what it announces: `xdg_wm_base` in version 2, which nearly
 * no other has had. Most of what is said to mend a compositor's faults is right by the protocols and said to all; this is
 * for what others take for a mistake.
 */
import { Verdict } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import { ConnectionNote } from '../relay/note.js';
import type { Relay } from '../relay/relay.js';

/** What wlroots 0.15 announces (`WM_BASE_VERSION`); its successors say 3 and more, as soon as their compositors do. */
const WM_BASE_VERSION = 2;

const old = new ConnectionNote<boolean>();

/** The concern for any connection. It comes before the one that decides which globals there are. */
export const kindConcern: Concern = {
  name: 'compositor kind',
  shared: true,
  events: {
    wl_registry: {
      global: ({ relay, args: { interface: name, version } }) => {
        if (name === 'xdg_wm_base') old.set(relay, version === WM_BASE_VERSION);
        return Verdict.Forward;
      },
    },
  },
};

/** Whether it keeps what nobody told it the end of, as wlroots 0.15 does. */
export function isOldWlroots(relay: Relay): boolean {
  return old.get(relay) === true;
}
