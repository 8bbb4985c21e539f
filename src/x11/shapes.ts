/**
 * Windows that are not rectangles (the extension SHAPE): where one does not take the pointer, or is not there at all, what is
 * behind it does. The server keeps two shapes of a window, what it has of pixels and where it takes input; the compositor is
 * told what both have in common, as the surface's input region. Xwayland itself tells it the second alone.
 *
 * A client may give a shape any number of rectangles, and change it at any rate: the compositor is told of so many, and the
 * server is asked once at a time.
 */
import { Verdict } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import type { RelayObject } from '../relay/object-map.js';
import type { XConnection } from './connection.js';
import type { Geometry, XEvent } from './events.js';
import { geometry, rectangles, type Extension } from './replies.js';
import { getGeometry, shape, ShapeKind } from './requests.js';
import type { Shell } from './shell.js';
import type { XWindow } from './window.js';
import { XReader } from './wire.js';

/**
 * Rectangles of an input region: what more there is becomes strips of the window's width. Two eyes of 300 pixels have some
 * two hundred; compositors look through all of them at each motion of the pointer, and our firewall takes 512.
 */
export const MAX_SHAPE_RECTS = 256;

export interface ShapesOptions {
  readonly x: Pick<XConnection, 'send' | 'ask'>;
  /** SHAPE; undefined: the server does not have it. */
  readonly extension: Extension | undefined;
  readonly shell: Shell;
  /** X pixels of a pixel of the compositor's. */
  readonly scale: number;
  readonly windowOf: (id: number) => XWindow | undefined;
}

export class Shapes {
  readonly #options: ShapesOptions;
  /** Windows that are asked about; true: the shape has changed since. */
  readonly #asked = new Map<XWindow, boolean>();

  constructor(options: ShapesOptions) {
    this.#options = options;
  }

  /** The server shows the window. */
  begin(window: XWindow): void {
    const { x, extension } = this.#options;
    if (extension === undefined) return;
    x.send(shape.selectInput(extension.opcode, window.id));
    this.#ask(window);
  }

  /** An event of the extension, perhaps. */
  event(event: XEvent): void {
    const { extension, windowOf } = this.#options;
    if (event.is !== 'Other' || event.sent || event.code !== extension?.firstEvent) return;
    const window = windowOf(new XReader(event.bytes).u32(4));
    if (window?.mapped === true) this.#ask(window);
  }

  /** Tells the compositor, once the window's surface has a role. */
  tell(window: XWindow): void {
    const { shell, scale } = this.#options;
    const { surface, shape: rects } = window;
    const compositor = shell.global('wl_compositor');
    if (surface?.role === undefined || compositor === undefined) return;
    const { relay } = shell;
    if (rects === undefined) relay.request(surface.object, 'set_input_region', { region: undefined });
    else {
      const region = relay.inject('wl_region', compositor.version);
      relay.request(compositor, 'create_region', { id: region });
      for (const rect of rects) relay.request(region, 'add', scaled(rect, scale));
      relay.request(surface.object, 'set_input_region', { region });
      relay.request(region, 'destroy', {});
    }
    const commit = (): void => {
      if (surface.shown) relay.request(surface.object, 'commit', {});
    };
    if (window.popup === undefined) commit();
    else shell.dismissals.whenSure(surface, commit);
    relay.flush();
  }

  #ask(window: XWindow): void {
    const { x, extension } = this.#options;
    const { opcode } = extension!;
    if (this.#asked.has(window)) {
      this.#asked.set(window, true);
      return;
    }
    this.#asked.set(window, false);
    let whole: Geometry | undefined;
    let bounding: readonly Geometry[] | undefined;
    const come = (input: readonly Geometry[] | undefined): void => {
      const again = this.#asked.get(window) === true;
      this.#asked.delete(window);
      if (!window.mapped) return;
      if (again) this.#ask(window);
      else if (whole !== undefined) this.#known(window, shapeOf(whole, bounding, input));
    };
    // One after the other, with nothing between them: all three are of the same moment, or of a client that changes it again.
    x.ask(
      getGeometry(window.id),
      reply => (whole = geometry(reply)),
      () => {},
    );
    const get = (kind: number): Uint8Array => shape.getRectangles(opcode, window.id, kind);
    x.ask(
      get(ShapeKind.bounding),
      reply => (bounding = rectangles(reply)),
      () => {},
      true,
    );
    x.ask(
      get(ShapeKind.input),
      reply => come(rectangles(reply)),
      () => come(undefined),
      true,
    );
  }

  #known(window: XWindow, rects: readonly Geometry[] | undefined): void {
    if (JSON.stringify(rects) === JSON.stringify(window.shape)) return;
    window.shape = rects;
    this.tell(window);
  }
}

/**
 * Xwayland tells of input regions itself, and not of all that shapes say: those are not passed on. The regions that it makes
 * for them are, to be used for what is opaque as well, and have no more rectangles than ours: a client can give a shape a
 * hundred thousand, which took sway 1.10 most of a minute to put together, and less that is opaque is never wrong.
 */
export function shapesConcern(): Concern {
  const added = new Map<RelayObject, number>();
  return {
    name: 'x11 shapes',
    requests: {
      wl_surface: { set_input_region: () => Verdict.Drop },
      wl_region: {
        add: ({ object }) => {
          const rects = (added.get(object) ?? 0) + 1;
          if (rects > MAX_SHAPE_RECTS) return Verdict.Drop;
          added.set(object, rects);
          return Verdict.Forward;
        },
      },
    },
    gone: { wl_region: region => void added.delete(region) },
  };
}

/**
 * What two shapes of a window have in common, in at most {@link MAX_SHAPE_RECTS} rectangles. Undefined: the window as a whole. A
 * shape undefined: too much to be read, it counts as the whole.
 */
export function shapeOf(
  { width, height }: Geometry,
  ...shapes: readonly (readonly Geometry[] | undefined)[]
): readonly Geometry[] | undefined {
  const all: Geometry = { x: 0, y: 0, width, height };
  let common: readonly Geometry[] | undefined;
  for (const rects of shapes) {
    // What the server says of a window without a shape, which may have had a border.
    if (rects === undefined || rects.some(rect => covers(rect, all))) continue;
    const few = bounded(rects, height);
    common =
      common === undefined
        ? few
        : bounded(
            common.flatMap(one => few.flatMap(other => inBoth(one, other))),
            height,
          );
  }
  return common;
}

function covers(rect: Geometry, { width, height }: Geometry): boolean {
  return rect.x <= 0 && rect.y <= 0 && rect.x + rect.width >= width && rect.y + rect.height >= height;
}

function inBoth(one: Geometry, other: Geometry): Geometry[] {
  const [x, y] = [Math.max(one.x, other.x), Math.max(one.y, other.y)];
  const width = Math.min(one.x + one.width, other.x + other.width) - x;
  const height = Math.min(one.y + one.height, other.y + other.height) - y;
  return width > 0 && height > 0 ? [{ x, y, width, height }] : [];
}

/** Where there are too many, a strip of the window is taken from the first to the last pixel of any. */
function bounded(rects: readonly Geometry[], height: number): readonly Geometry[] {
  if (rects.length <= MAX_SHAPE_RECTS) return rects;
  const step = Math.ceil(height / MAX_SHAPE_RECTS);
  const strips = new Map<number, [left: number, right: number]>();
  for (const { x, y, width, height: high } of rects) {
    const last = Math.min(y + high, height) - 1;
    for (let strip = Math.floor(Math.max(y, 0) / step); strip * step <= last; strip++) {
      const [left, right] = strips.get(strip) ?? [Infinity, -Infinity];
      strips.set(strip, [Math.min(left, x), Math.max(right, x + width)]);
    }
  }
  return [...strips].map(([strip, [left, right]]) => ({ x: left, y: strip * step, width: right - left, height: step }));
}

/** Pixels of the compositor's of which there is any part. */
function scaled({ x, y, width, height }: Geometry, scale: number): Geometry {
  const [left, top] = [Math.floor(x / scale), Math.floor(y / scale)];
  return {
    ...{ x: left, y: top },
    width: Math.ceil((x + width) / scale) - left,
    height: Math.ceil((y + height) / scale) - top,
  };
}
