/**
 * X clients know no scale: a pixel is a pixel. Where `--x11-scale` says that several of theirs are one of the compositor's,
 * each X surface is a picture of that scale, and Xwayland is told outputs and places in X pixels.
 */
import { Verdict, type Call } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import type { RelayObject } from '../relay/object-map.js';

/** First version of wl_surface that has a scale. */
const SCALE_SINCE = 3;

/** `scale`: a whole number over 1. */
export function scaleConcern(scale: number): Concern {
  /** Multiplies arguments of a message that come behind one another, by words. */
  const up =
    (first: number, count: number) =>
    (call: Words): Verdict => {
      for (let word = first; word < first + count; word++) call.replaceWord(word, wordAt(call, word) * scale);
      return Verdict.Forward;
    };
  const region = ({ relay, object, args }: RegionCall, name: 'add' | 'subtract'): Verdict => {
    const [x, y] = [Math.floor(args.x / scale), Math.floor(args.y / scale)];
    const [right, bottom] = [Math.ceil((args.x + args.width) / scale), Math.ceil((args.y + args.height) / scale)];
    relay.request(object, name, { x, y, width: right - x, height: bottom - y });
    return Verdict.Drop;
  };
  return {
    name: 'x11 scale',
    made: {
      wl_surface: (object, { relay }) => {
        if (object.version < SCALE_SINCE) return;
        queueMicrotask(() => {
          if (object.destroyed) return;
          relay.request(object, 'set_buffer_scale', { scale });
          relay.flush();
        });
      },
    },
    requests: {
      wl_region: { add: call => region(call, 'add'), subtract: call => region(call, 'subtract') },
      wl_pointer: {
        set_cursor: call => {
          const { hotspot_x: x, hotspot_y: y } = call.args;
          call.replaceWord(2, Math.floor(x / scale));
          call.replaceWord(3, Math.floor(y / scale));
          return Verdict.Forward;
        },
      },
      zwp_locked_pointer_v1: {
        set_cursor_position_hint: ({ relay, object, args }) => {
          relay.request(object, 'set_cursor_position_hint', {
            surface_x: Math.round((args.surface_x * 256) / scale),
            surface_y: Math.round((args.surface_y * 256) / scale),
          });
          return Verdict.Drop;
        },
      },
    },
    events: {
      wl_output: {
        scale: ({ relay, object }) => {
          relay.emitEvent(object, 'scale', { factor: 1 });
          return Verdict.Drop;
        },
      },
      zxdg_output_v1: { logical_position: up(0, 2), logical_size: up(0, 2) },
      wl_pointer: { enter: up(2, 2), motion: up(1, 2) },
      wl_touch: { down: up(4, 2), motion: up(2, 2) },
      zwp_tablet_tool_v2: { motion: up(0, 2) },
    },
  };
}

/** A message of which words are replaced, whatever it is. */
type Words = Pick<Call, 'bytes' | 'offset' | 'replaceWord'>;

interface RegionCall {
  readonly relay: Call['relay'];
  readonly object: RelayObject<'wl_region'>;
  readonly args: { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
}

function wordAt({ bytes, offset }: Words, word: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getInt32(offset + 8 + 4 * word, true);
}
