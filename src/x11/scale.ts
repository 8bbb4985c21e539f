/**
 * X clients know no scale: a pixel is a pixel. Where `--x11-scale` says that several of theirs are one of the compositor's,
 * each X surface is shown that much smaller than its picture is, and Xwayland is told outputs and places in X pixels.
 *
 * Pictures are made smaller by a viewport, which takes any scale and any size of a picture. A whole number of the compositor's
 * pixels is shown, and what is left of the picture beyond the last of them is not: so no pixel is drawn over two.
 *
 * Of a cursor GNOME 43 and KDE 5.27 see no viewport: it has a buffer scale, and so many pixels that this is a whole number.
 */
import { Verdict, type Call } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import type { RelayObject } from '../relay/object-map.js';
import type { Shell } from './shell.js';
import type { Scaling, Size } from './surfaces.js';

/**
 * A length of X pixels in those of the compositor. One of the compositor's in X pixels is rounded up, so that this gives it
 * again.
 */
export const scaledDown = (length: number, scale: number): number => Math.max(Math.floor(length / scale), 1);
export const scaledUp = (length: number, scale: number): number => Math.ceil(length * scale);

/** Pixels of a cursor of X11 of one of the compositor's. */
export const cursorScale = (scale: number): number => Math.ceil(scale);

/** Shows each surface smaller, by viewports of ours. */
export class Viewports implements Scaling {
  readonly #viewports = new Map<RelayObject<'wl_surface'>, RelayObject<'wp_viewport'>>();

  constructor(
    private readonly shell: Pick<Shell, 'relay' | 'global'>,
    private readonly scale: number,
  ) {}

  fit(surface: RelayObject<'wl_surface'>, size: Size, cursor: boolean): void {
    const { relay } = this.shell;
    const viewport = this.#viewports.get(surface) ?? this.#make(surface);
    if (viewport === undefined) return;
    if (cursor) {
      this.#fitCursor(surface, viewport, size);
      return;
    }
    const { width, height } = size;
    const shown = { width: scaledDown(width, this.scale), height: scaledDown(height, this.scale) };
    // Compositors round as well. A part that ends within a pixel would be stretched to a whole one, and mixed of two.
    const used = (side: number, whole: number): number => Math.min(Math.round(side * this.scale), whole);
    const source = { x: 0, y: 0, width: used(shown.width, width), height: used(shown.height, height) };
    relay.request(viewport, 'set_source', source);
    relay.request(viewport, 'set_destination', shown);
  }

  /** A picture that cannot be divided so has a viewport only: compositors end who says a scale of it. */
  #fitCursor(surface: RelayObject<'wl_surface'>, viewport: RelayObject<'wp_viewport'>, { width, height }: Size): void {
    const { relay } = this.shell;
    const scale = cursorScale(this.scale);
    const divides = width % scale === 0 && height % scale === 0;
    relay.request(surface, 'set_buffer_scale', { scale: divides ? scale : 1 });
    const shown = { width: scaledDown(width, scale), height: scaledDown(height, scale) };
    relay.request(viewport, 'set_destination', shown);
  }

  gone(surface: RelayObject<'wl_surface'>): void {
    const viewport = this.#viewports.get(surface);
    if (viewport === undefined) return;
    this.#viewports.delete(surface);
    this.shell.relay.request(viewport, 'destroy', {});
  }

  #make(surface: RelayObject<'wl_surface'>): RelayObject<'wp_viewport'> | undefined {
    const viewporter = this.shell.global('wp_viewporter');
    if (viewporter === undefined) return undefined;
    const viewport = this.shell.relay.inject('wp_viewport', viewporter.version);
    this.shell.relay.request(viewporter, 'get_viewport', { id: viewport, surface });
    this.#viewports.set(surface, viewport);
    return viewport;
  }
}

/** `scale`: over 1. */
export function scaleConcern(scale: number): Concern {
  /** Multiplies arguments of a message that come behind one another, by words. */
  const up =
    (first: number, count: number) =>
    (call: Words): Verdict => {
      for (let word = first; word < first + count; word++)
        call.replaceWord(word, Math.round(wordAt(call, word) * scale));
      return Verdict.Forward;
    };
  const region = ({ relay, object, args }: RegionCall, name: 'add' | 'subtract'): Verdict => {
    const [x, y] = [Math.floor(args.x / scale), Math.floor(args.y / scale)];
    const [right, bottom] = [Math.ceil((args.x + args.width) / scale), Math.ceil((args.y + args.height) / scale)];
    relay.request(object, name, { x, y, width: right - x, height: bottom - y });
    return Verdict.Drop;
  };
  const cursor = (call: Words & { readonly args: Hotspot }): Verdict => {
    const { hotspot_x: x, hotspot_y: y } = call.args;
    call.replaceWord(2, Math.floor(x / cursorScale(scale)));
    call.replaceWord(3, Math.floor(y / cursorScale(scale)));
    return Verdict.Forward;
  };
  return {
    name: 'x11 scale',
    requests: {
      wl_region: { add: call => region(call, 'add'), subtract: call => region(call, 'subtract') },
      wl_pointer: { set_cursor: cursor },
      zwp_tablet_tool_v2: { set_cursor: cursor },
      zwp_locked_pointer_v1: {
        set_cursor_position_hint: ({ relay, object, args }) => {
          relay.request(object, 'set_cursor_position_hint', {
            surface_x: args.surface_x / scale,
            surface_y: args.surface_y / scale,
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
      // Fingers on a touchpad move as much as the pointer does.
      zwp_pointer_gesture_swipe_v1: { update: up(1, 2) },
      zwp_pointer_gesture_pinch_v1: { update: up(1, 2) },
      // A pointer that a game has locked goes as fast as any other.
      zwp_relative_pointer_v1: { relative_motion: up(2, 4) },
    },
  };
}

/** A message of which words are replaced, whatever it is. */
type Words = Pick<Call, 'bytes' | 'offset' | 'replaceWord'>;

interface Hotspot {
  readonly hotspot_x: number;
  readonly hotspot_y: number;
}

interface RegionCall {
  readonly relay: Call['relay'];
  readonly object: RelayObject<'wl_region'>;
  readonly args: { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
}

function wordAt({ bytes, offset }: Words, word: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getInt32(offset + 8 + 4 * word, true);
}
