/**
 * Where the pointer is to be when a lock on it ends (`zwp_locked_pointer_v1.set_cursor_position_hint`). Compositors that
 * believe it (sway 1.7) put it anywhere on the screen: over a button of another VM's window, at the moment of the user's
 * click. Here it stays in what is seen of the window: the place nearest to the one that was asked for.
 */
import { Verdict, type Call, type RequestHandlers } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import { Note } from '../relay/note.js';
import type { RelayObject } from '../relay/object-map.js';
import type { Relay } from '../relay/relay.js';
import type { Box } from '../wayland/region.js';
import type { Node, Surfaces } from './surfaces.js';

/** The smallest step of a place on the wire. */
const STEP = 1 / 256;

interface Place {
  readonly x: number;
  readonly y: number;
}

export interface PointerHints {
  readonly made: NonNullable<Concern['made']>;
  readonly gone: NonNullable<Concern['gone']>;
  readonly requests: RequestHandlers;
  /** A surface has been committed, and the compositor does not know it yet: what it says of its window holds. */
  commit(call: Call<'wl_surface'>): void;
}

/** The last place that the compositor was told, by surface: one lock of a surface may live. */
const told = new Note<{ readonly lock: RelayObject<'zwp_locked_pointer_v1'>; place: Place }>();

export function pointerHints(surfaces: Surfaces): PointerHints {
  const surfaceOf = new WeakMap<RelayObject, RelayObject>();
  const tell = (relay: Relay, lock: RelayObject<'zwp_locked_pointer_v1'>, surface: RelayObject, asked: Place): void => {
    const box = seen(surfaces.of(surface));
    if (box === undefined) return;
    const place = { x: inside(asked.x, box.x1, box.x2), y: inside(asked.y, box.y1, box.y2) };
    const before = told.get(surface);
    if (before?.lock === lock && before.place.x === place.x && before.place.y === place.y) return;
    told.set(surface, { lock, place });
    relay.request(lock, 'set_cursor_position_hint', { surface_x: place.x, surface_y: place.y });
  };
  return {
    made: {
      zwp_locked_pointer_v1: (lock, { args }) => {
        surfaceOf.set(lock, (args as { surface: RelayObject }).surface);
      },
    },
    gone: {
      zwp_locked_pointer_v1: lock => {
        const surface = surfaceOf.get(lock);
        if (surface !== undefined && told.get(surface)?.lock === lock) told.delete(surface);
      },
    },
    requests: {
      zwp_locked_pointer_v1: {
        set_cursor_position_hint: ({ relay, object, args: { surface_x: x, surface_y: y } }) => {
          const surface = surfaceOf.get(object);
          if (surface !== undefined) tell(relay, object, surface, { x, y });
          return Verdict.Drop;
        },
      },
    },
    commit: ({ relay, object }) => {
      const hint = told.get(object);
      // The window may be smaller than when it was said.
      if (hint !== undefined) tell(relay, hint.lock, object, hint.place);
    },
  };
}

/** What is seen of a surface where nothing is above it; undefined where nothing is. */
function seen(node: Node): Box | undefined {
  const { width, height } = node.size;
  const { window } = node.top;
  const shown = window?.told ?? window?.settled;
  const of = node === node.top && shown !== undefined ? shown : { x1: 0, y1: 0, x2: width, y2: height };
  // Compositors that tile cut off what is larger than they said.
  const most = window?.configured ?? { width: 0, height: 0 };
  const x1 = Math.max(0, of.x1);
  const y1 = Math.max(0, of.y1);
  const x2 = Math.min(width, of.x2, most.width > 0 ? of.x1 + most.width : Infinity);
  const y2 = Math.min(height, of.y2, most.height > 0 ? of.y1 + most.height : Infinity);
  return x1 < x2 && y1 < y2 ? { x1, y1, x2, y2 } : undefined;
}

function inside(at: number, from: number, to: number): number {
  return Math.min(Math.max(at, from), to - STEP);
}
