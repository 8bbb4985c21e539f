/**
 * Where the compositor's outputs are in its layout, and how large there: what `zxdg_output_manager_v1` tells. sway from
 * 1.10 on hides that global from clients in a security context, so the glue asks for it on a connection of its own, which
 * is outside of them, and `output-answers.ts` answers the clients.
 *
 * Outputs are told apart by the registry's number for each. libwayland gives a global one number for all connections, and
 * every client learns it, where `wl_output.name` is there from version 4 on only.
 */
import { EventEmitter } from 'eventemitter3';
import type { Display } from '../src/wayland-client/display.js';
import type { WaylandObject } from '../src/wayland-client/wayland-object.js';
import type { Global } from '../src/wayland/global-table.js';

const MANAGER = 'zxdg_output_manager_v1';

/** One output, in the compositor's logical pixels. */
export interface OutputPlace {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** As the compositor calls it: `HDMI-A-1`. */
  readonly name: string | undefined;
  /** For people. */
  readonly description: string | undefined;
}

export interface OutputLayoutEvents {
  /** What is known of an output is known now, or is another. `global` is its number in the registry. */
  changed: (global: number) => void;
}

interface Watched {
  readonly output: WaylandObject<'wl_output'>;
  readonly xdgOutput: WaylandObject<'zxdg_output_v1'>;
  /** Told so far. */
  pending: OutputPlace;
  /** The same at the last `done`; undefined before the first. */
  told: OutputPlace | undefined;
}

/** The layout of one compositor, for as long as its display lives. */
export class OutputLayout extends EventEmitter<OutputLayoutEvents> {
  readonly #watched = new Map<number, Watched>();

  /** Undefined where the compositor does not have the protocol. `display` is lent, and has its globals. */
  static of(display: Display): OutputLayout | undefined {
    return display.find(MANAGER) === undefined ? undefined : new OutputLayout(display);
  }

  private constructor(display: Display) {
    super();
    const manager = display.bind(MANAGER);
    for (const global of display.globals) this.#watch(display, manager, global);
    display.on('global', global => this.#watch(display, manager, global));
    display.on('globalRemove', ({ name }) => this.#forget(name));
  }

  /** Undefined for an output that is not there, and as long as nothing is known of it. */
  place(global: number): OutputPlace | undefined {
    return this.#watched.get(global)?.told;
  }

  #watch(display: Display, manager: WaylandObject<'zxdg_output_manager_v1'>, global: Global): void {
    if (global.interface !== 'wl_output') return;
    const output = display.bind(global) as WaylandObject<'wl_output'>;
    const xdgOutput = manager.create('get_xdg_output', output);
    const pending = { x: 0, y: 0, width: 0, height: 0, name: undefined, description: undefined };
    const watched: Watched = { output, xdgOutput, pending, told: undefined };
    this.#watched.set(global.name, watched);
    const learn = (part: Partial<OutputPlace>): void => void (watched.pending = { ...watched.pending, ...part });
    xdgOutput.on('logical_position', (x, y) => learn({ x, y }));
    xdgOutput.on('logical_size', (width, height) => learn({ width, height }));
    xdgOutput.on('name', name => learn({ name }));
    xdgOutput.on('description', description => learn({ description }));
    // Since version 3 it is the output's own that ends a change. Its first may come before anything of the layout.
    const done = (): void => {
      const { pending: now, told } = watched;
      if (now.width <= 0 || now.height <= 0 || samePlace(now, told)) return;
      watched.told = now;
      this.emit('changed', global.name);
    };
    xdgOutput.on('done', done);
    output.on('done', done);
  }

  #forget(name: number): void {
    const watched = this.#watched.get(name);
    if (watched === undefined) return;
    this.#watched.delete(name);
    watched.xdgOutput.request('destroy');
    if (watched.output.version >= 3) watched.output.request('release');
  }
}

function samePlace(a: OutputPlace, b: OutputPlace | undefined): boolean {
  const sameRect = a.x === b?.x && a.y === b.y && a.width === b.width && a.height === b.height;
  return sameRect && a.name === b.name && a.description === b.description;
}
