/**
 * What a status tells of the windows of a remote client: how many there are, and what the client has called the one that it
 * has named last. That is the client's word, and is passed on as such.
 */
import { FIREWALL } from '../src/firewall/firewall.js';
import { bounded } from '../src/observe/printable.js';
import { Verdict } from '../src/relay/call.js';
import type { Concern } from '../src/relay/chain.js';
import { ConnectionNote, Note } from '../src/relay/note.js';
import type { Relay } from '../src/relay/relay.js';

/** Longest name that is told, in characters: what a list has room for. */
export const MOST_NAME = 128;

export interface ClientWindows {
  /** Toplevel windows at the moment. */
  count: number;
  /** What it says of itself. */
  readonly says: { appId?: string; title?: string };
}

const ofClient = new ConnectionNote<ClientWindows>();
/** Of a window: those of its client. */
const ofWindow = new Note<ClientWindows>();

/** Those of one client's connection. */
export function windowsOf(relay: Relay): ClientWindows {
  return ofClient.get(relay) ?? ofClient.set(relay, { count: 0, says: {} });
}

/** The concern for any connection. */
export const windowsConcern: Concern = {
  name: 'windows',
  after: FIREWALL,
  shared: true,
  made: {
    xdg_toplevel: (window, { relay }) => {
      const windows = windowsOf(relay);
      windows.count += 1;
      ofWindow.set(window, windows);
    },
  },
  gone: {
    xdg_toplevel: window => {
      const windows = ofWindow.get(window);
      if (windows !== undefined) windows.count -= 1;
    },
  },
  requests: {
    xdg_toplevel: {
      set_app_id: ({ relay, args }) => {
        windowsOf(relay).says.appId = bounded(args.app_id, MOST_NAME);
        return Verdict.Forward;
      },
      set_title: ({ relay, args }) => {
        windowsOf(relay).says.title = bounded(args.title, MOST_NAME);
        return Verdict.Forward;
      },
    },
  },
};
