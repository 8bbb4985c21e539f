/**
 * A window is hidden by its own commit. `geometry.ts` commits windows by itself when something below them has grown, and
 * what their client has said up to then is taken along: a buffer that is on its way is shown a moment early, but one that
 * is taken away would hide the window, with its popups, before its client has said so, and before the other rooms know. So
 * that a window has no buffer any more is told right before the commit that means it. This is the last concern of a relay:
 * the others have handled both by then.
 */
import { Verdict } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import { Note } from '../relay/note.js';
import { hiddenNow } from './construction.js';
import { knownLife } from './life.js';

/** Of windows that are to be hidden: how far they move with that. */
const kept = new Note<{ readonly x: number; readonly y: number }>();

/** The concern for any connection; `after`: all others that handle what is attached or committed. */
export function hidingsConcern(after: readonly string[]): Concern {
  return {
    name: 'hidings',
    after,
    shared: true,
    requests: {
      wl_surface: {
        attach: ({ object, args: { buffer, x, y } }) => {
          kept.delete(object);
          const role = knownLife(object)?.role;
          if (buffer !== undefined || (role !== 'xdg_toplevel' && role !== 'xdg_popup')) return Verdict.Forward;
          kept.set(object, { x, y });
          return Verdict.Drop;
        },
        commit: ({ relay, object }) => {
          const place = kept.get(object);
          if (place === undefined) return Verdict.Forward;
          kept.delete(object);
          relay.request(object, 'attach', { buffer: undefined, ...place });
          const configures = hiddenNow(object);
          if (configures === undefined) return Verdict.Forward;
          // Right behind it: what the client says next may be what the compositor answers by its next configure.
          relay.request(object, 'commit', {});
          configures.restarted();
          return Verdict.Drop;
        },
      },
    },
  };
}
