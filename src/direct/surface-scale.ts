/**
 * How many pixels a surface should have for each unit of its coordinates. The compositor tells it in one of three ways, and
 * the best that it has is taken: by wp_fractional_scale, in steps of 1/120; by wl_surface's preferred_buffer_scale; or by
 * the outputs that the surface is on, the largest of whose scales counts.
 *
 * A buffer that follows a whole scale says so by set_buffer_scale, one that follows a fraction by a viewport.
 */
import type { Display } from '../wayland-client/display.js';
import type { WaylandObject } from '../wayland-client/wayland-object.js';

/** What wp_fractional_scale counts in. */
const STEPS = 120;
/** wl_surface's version with preferred_buffer_scale. */
const PREFERRED_VERSION = 6;
/** The largest scale that is followed: screens have up to 4, and a compositor cannot make us allocate without bound. */
export const MAX_SCALE = 16;

/** The scales of a compositor's outputs. One for a connection. */
export class OutputScales {
  readonly #scales = new Map<WaylandObject, number>();
  readonly #listeners = new Set<() => void>();

  constructor(display: Display) {
    const add = (name: number): void => {
      const global = display.globals.find(each => each.name === name);
      if (global === undefined) return;
      const output = display.bind(global, 3) as WaylandObject<'wl_output'>;
      this.#scales.set(output, 1);
      output.on('scale', factor => {
        this.#scales.set(output, factor);
        for (const listener of this.#listeners) listener();
      });
      display.on('globalRemove', removed => {
        if (removed.name !== name || !this.#scales.delete(output)) return;
        if (output.version >= 3) output.request('release');
        for (const listener of this.#listeners) listener();
      });
    };
    for (const global of display.globals) if (global.interface === 'wl_output') add(global.name);
    display.on('global', global => {
      if (global.interface === 'wl_output') add(global.name);
    });
  }

  /** The scale of an output; undefined when it is gone. */
  of(output: WaylandObject): number | undefined {
    return this.#scales.get(output);
  }

  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** The scale of one surface. */
export class SurfaceScale {
  /** What the compositor wants: pixels for each unit of the surface's coordinates. */
  preferred = 1;
  readonly #surface: WaylandObject<'wl_surface'>;
  readonly #outputs = new Set<WaylandObject>();
  readonly #viewport: WaylandObject<'wp_viewport'> | undefined;
  readonly #fractional: WaylandObject<'wp_fractional_scale_v1'> | undefined;
  readonly #unlisten: () => void;
  /** What the surface's last commit said. */
  #said = '1';

  constructor(
    display: Display,
    surface: WaylandObject<'wl_surface'>,
    outputs: () => OutputScales,
    private readonly changed: () => void,
  ) {
    this.#surface = surface;
    this.#unlisten = () => undefined;
    if (display.find('wp_fractional_scale_manager_v1') !== undefined && display.find('wp_viewporter') !== undefined) {
      this.#viewport = display.bindOnce('wp_viewporter', 1).create('get_viewport', surface);
      this.#fractional = display.bindOnce('wp_fractional_scale_manager_v1', 1).create('get_fractional_scale', surface);
      this.#fractional.on('preferred_scale', steps => this.#prefer(steps / STEPS));
    } else if (surface.version >= PREFERRED_VERSION) {
      surface.on('preferred_buffer_scale', factor => this.#prefer(factor));
    } else {
      const scales = outputs();
      const count = (): void => this.#prefer(Math.max(1, ...[...this.#outputs].map(output => scales.of(output) ?? 1)));
      surface.on('enter', output => {
        this.#outputs.add(output);
        count();
      });
      surface.on('leave', output => {
        this.#outputs.delete(output);
        count();
      });
      this.#unlisten = scales.listen(count);
    }
  }

  /** A length of the surface's coordinates in pixels, as the protocol rounds it. */
  pixels(units: number): number {
    return Math.max(1, Math.round(units * this.preferred));
  }

  /** Says with the next commit how large a buffer of `pixels(width)` × `pixels(height)` is in the surface's coordinates. */
  say(width: number, height: number): void {
    const words = this.#viewport === undefined ? String(this.preferred) : `${width}x${height}`;
    if (words === this.#said) return;
    this.#said = words;
    if (this.#viewport === undefined) this.#surface.request('set_buffer_scale', this.preferred);
    else this.#viewport.request('set_destination', width, height);
  }

  /** Before the surface goes. */
  destroy(): void {
    this.#unlisten();
    if (this.#surface.display.ended !== undefined) return;
    this.#fractional?.request('destroy');
    this.#viewport?.request('destroy');
  }

  #prefer(scale: number): void {
    const bounded = Math.min(MAX_SCALE, scale > 0 ? scale : 1);
    if (bounded === this.preferred) return;
    this.preferred = bounded;
    this.changed();
  }
}
