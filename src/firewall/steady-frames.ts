/**
 * Finds the windows whose frames change nothing that the firewall knows (`relay/steady.ts`): a window that is shown, alone in
 * its tree, and whose last frame had a buffer of the same size as the one before, when nothing else was said between the
 * two. Then every concern has come to the same end twice, and would a third time: a picture that is attached is the state
 * from which it began.
 *
 * This is the last concern of a relay, so what it sees has gone through all others as it was.
 *
 * What is not done for frames that pass natively: their callbacks, of which a connection has eight at most then, are not
 * counted for the bound `frames`.
 */
import { Verdict } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import { Note } from '../relay/note.js';
import type { RelayObject } from '../relay/object-map.js';
import { knownLife, toplevelOf } from './life.js';
import { Surfaces } from './surfaces.js';
import type { Size } from './surface-state.js';
import { MAX_BUFFER_SIDE } from './values.js';

/** A window's last frame. */
interface LastFrame {
  readonly picture: number;
  /** How often the connection had been disturbed. */
  readonly disturbances: number;
}

const last = new Note<LastFrame>();

/** A number for a size: pictures with the same are alike to the firewall. Over 0. */
function pictureOf({ width, height }: Size): number {
  return width * (MAX_BUFFER_SIDE + 1) + height;
}

/** The concern for any connection; `after`: all others that handle what is attached or committed. */
export function steadyConcern(after: readonly string[]): Concern {
  const surfaces = new Surfaces();
  /** 0: its frames may change something. */
  const pictureIn = (surface: RelayObject): number => {
    const life = knownLife(surface);
    if (life?.shown !== true || life.withheld || toplevelOf(surface) === undefined) return 0;
    const node = surfaces.of(surface);
    if (node.parent !== undefined || node.hasChildren || node.state.buffer === undefined) return 0;
    return pictureOf(node.state.buffer);
  };
  return {
    name: 'steady',
    after,
    shared: true,
    ignoresSyncs: true,
    made: {
      wl_buffer: buffer => {
        buffer.picture = pictureOf(surfaces.bufferSize(buffer));
      },
    },
    requests: {
      wl_surface: {
        commit: ({ relay: { steady }, object }) => {
          if (steady === undefined) return Verdict.Forward;
          const before = last.get(object);
          const picture = pictureIn(object);
          const { disturbances } = steady;
          if (before?.picture === picture && before.disturbances === disturbances) {
            if (picture !== 0) steady.add(object, picture);
          } else last.set(object, { picture, disturbances });
          return Verdict.Forward;
        },
      },
    },
  };
}
