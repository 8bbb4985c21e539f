/**
 * Counts the frames of remote clients: commits that bring a buffer and go on to the compositor. Those that pass natively are
 * counted there; what comes here are the others. A number is added to, and nothing else is done for a frame.
 */
import { Verdict } from '../src/relay/call.js';
import type { Concern } from '../src/relay/chain.js';
import { Note } from '../src/relay/note.js';

/** Of a surface: its next commit brings a buffer. */
const attached = new Note<boolean>();

/** The concern for any connection; `after`: all others that handle what is attached or committed. */
export function framesConcern(after: readonly string[]): Concern {
  return {
    name: 'frames',
    after,
    shared: true,
    ignoresSyncs: true,
    requests: {
      wl_surface: {
        attach: ({ object, args: { buffer } }) => {
          attached.set(object, buffer !== undefined);
          return Verdict.Forward;
        },
        commit: ({ relay, object }) => {
          if (attached.get(object) !== true) return Verdict.Forward;
          attached.set(object, false);
          relay.frameSeen();
          return Verdict.Forward;
        },
      },
    },
  };
}
