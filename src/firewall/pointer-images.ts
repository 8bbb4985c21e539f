/**
 * What goes with the pointer: cursors and the pictures of what is dragged. They have no window geometry and lie above all
 * windows, so their size is bounded, and how far from the pointer they are: a cursor as large as the screen would be a
 * screen of the client's. One that is too large is not shown.
 */
import { ProtocolError, Verdict, type Call, type RequestHandlers } from '../relay/call.js';
import type { RelayObject } from '../relay/object-map.js';
import { WlDisplayError } from '../wayland/protocols/wayland.js';
import { knownLife } from './life.js';
import type { Node, Surfaces } from './surfaces.js';
import { MAX_PLACE } from './value-rules.js';

/**
 * Widest and highest cursor, and picture of what is dragged, in surface units. The largest cursors for bad eyes have 256,
 * and toolkits make pictures of what is dragged no larger than 400.
 */
export const DEFAULT_CURSOR = 512;

export interface PointerImages {
  readonly requests: RequestHandlers;
  readonly surfaceRequests: NonNullable<RequestHandlers['wl_surface']>;
  /** A surface has been committed, and the compositor does not know it yet. */
  commit(call: Call<'wl_surface'>, node: Node): void;
}

export function pointerImages(most: number, surfaces: Surfaces): PointerImages {
  /** How far the client has moved a surface by `attach` and `offset`: cursors and icons move with it. */
  const moved = new WeakMap<RelayObject, { x: number; y: number }>();
  const tooLarge = (node: Node): boolean => {
    const extents = node.extents();
    if (extents === undefined) return false;
    const { x1, y1, x2, y2 } = extents;
    return x1 < -most || y1 < -most || x2 > most || y2 > most;
  };
  const near = (hotspot: number): number => Math.min(Math.max(hotspot, 0), most);
  /** Whether a surface that goes with the pointer, or may yet, stays near it; of others, that a compositor can count on. */
  const staysNear = (surface: RelayObject, x: number, y: number): boolean => {
    if (x === 0 && y === 0) return true;
    const role = knownLife(surface)?.role;
    const goesWithPointer = role === undefined || role === 'cursor' || role === 'drag icon';
    const reach = goesWithPointer ? most : MAX_PLACE;
    const before = moved.get(surface) ?? { x: 0, y: 0 };
    const after = { x: before.x + x, y: before.y + y };
    if (Math.abs(after.x) > reach || Math.abs(after.y) > reach) return false;
    moved.set(surface, after);
    return true;
  };
  return {
    requests: {
      wl_pointer: {
        set_cursor: ({ relay, object, args }) => {
          if (args.surface !== undefined && tooLarge(surfaces.of(args.surface))) return Verdict.Drop;
          const hotspot = { hotspot_x: near(args.hotspot_x), hotspot_y: near(args.hotspot_y) };
          relay.request(object, 'set_cursor', { ...args, ...hotspot });
          return Verdict.Drop;
        },
      },
      zwp_tablet_tool_v2: {
        set_cursor: ({ relay, object, args }) => {
          if (args.surface !== undefined && tooLarge(surfaces.of(args.surface))) return Verdict.Drop;
          const hotspot = { hotspot_x: near(args.hotspot_x), hotspot_y: near(args.hotspot_y) };
          relay.request(object, 'set_cursor', { ...args, ...hotspot });
          return Verdict.Drop;
        },
      },
      wl_data_device: {
        start_drag: ({ relay, object, args }) => {
          if (args.icon === undefined || !tooLarge(surfaces.of(args.icon))) return Verdict.Forward;
          relay.request(object, 'start_drag', { ...args, icon: undefined });
          return Verdict.Drop;
        },
      },
    },
    surfaceRequests: {
      attach: ({ relay, object, args }) => {
        const { buffer, x, y } = args;
        surfaces.of(object).state.attach(buffer && surfaces.bufferSize(buffer));
        if (staysNear(object, x, y)) return Verdict.Forward;
        relay.request(object, 'attach', { buffer, x: 0, y: 0 });
        return Verdict.Drop;
      },
      offset: ({ object, args: { x, y } }) => (staysNear(object, x, y) ? Verdict.Forward : Verdict.Drop),
    },
    commit: ({ relay, object }, node) => {
      const { top } = node;
      const role = knownLife(top.surface)?.role;
      if ((role !== 'cursor' && role !== 'drag icon') || !tooLarge(top)) return;
      if (node === top && !node.hasChildren) {
        relay.request(object, 'attach', { buffer: undefined, x: 0, y: 0 });
        node.state.buffer = undefined;
        node.commit();
        return;
      }
      const text = `virtwl: a cursor or what is dragged is over ${most} units wide or high, by its subsurfaces`;
      throw new ProtocolError(1, WlDisplayError.no_memory, text);
    },
  };
}
