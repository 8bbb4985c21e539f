/** One client behind a glue with what its windows are made of, and a compositor that does what a test tells it. */
import type { Test } from 'tap';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import type { VmPolicy } from '../../compositor-glue/policy.js';
import { GlueBetween, type Remote } from '../compositor-glue/glue-between.js';
import { firstCommit } from '../relay/manners.js';
import { settle } from '../relay/peer.js';
import { madeBy } from '../relay/relay-between.js';

const GLOBALS = [
  ['wl_compositor', 6],
  ['wl_shm', 1],
  ['wl_seat', 8],
  ['wl_subcompositor', 1],
  ['xdg_wm_base', 6],
  ['wp_viewporter', 1],
  ['wp_single_pixel_buffer_manager_v1', 1],
  ['zxdg_decoration_manager_v1', 1],
  ['org_kde_kwin_server_decoration_manager', 1],
  ['wl_data_device_manager', 3],
  ['zwp_pointer_constraints_v1', 1],
] as const;

/** A client with what its windows are made of. */
export class Desk {
  readonly #made = new Map<string, number>();

  private constructor(
    readonly remote: Remote,
    private readonly between: GlueBetween,
  ) {}

  static async open(t: Test, policy: Partial<VmPolicy> = {}): Promise<Desk> {
    const between = new GlueBetween({ policy, globals: GLOBALS });
    t.teardown(() => between.close());
    return new Desk(await between.arrive('work'), between);
  }

  get client() {
    return this.remote.client;
  }

  get compositor() {
    return this.remote.compositor;
  }

  /** The client's object of a global. */
  global(name: (typeof GLOBALS)[number][0]): number {
    let id = this.#made.get(name);
    if (id === undefined) {
      const at = GLOBALS.findIndex(([known]) => known === name);
      id = this.client.bind(this.remote.registry, at + 1, name, GLOBALS[at]![1]);
      this.#made.set(name, id);
    }
    return id;
  }

  surface(): number {
    return this.client.make(this.global('wl_compositor'), 'create_surface');
  }

  /** A buffer of memory of the client's own. */
  buffer(width: number, height: number): number {
    const bytes = width * height * 4;
    const memory = new OwnedFd(native.memfd('virtwl-geometry-test', 4096, 0));
    const pool = this.client.make(this.global('wl_shm'), 'create_pool', ['new', memory, bytes]);
    const buffer = this.client.make(pool, 'create_buffer', ['new', 0, width, height, width * 4, 0]);
    this.client.say(pool, 'destroy');
    return buffer;
  }

  /** Attaches a buffer of a size and commits. */
  show(surface: number, width: number, height: number): void {
    this.client.say(surface, 'attach', [this.buffer(width, height), 0, 0]);
    this.client.say(surface, 'commit');
  }

  subsurface(surface: number, parent: number): number {
    return this.client.make(this.global('wl_subcompositor'), 'get_subsurface', ['new', surface, parent]);
  }

  /** A window that shows nothing yet. */
  unconfigured(): { surface: number; xdgSurface: number; toplevel: number } {
    const surface = this.surface();
    const xdgSurface = this.client.make(this.global('xdg_wm_base'), 'get_xdg_surface', ['new', surface]);
    const toplevel = this.client.make(xdgSurface, 'get_toplevel');
    return { surface, xdgSurface, toplevel };
  }

  /** A window that may show its first frame. */
  async window(): Promise<{ surface: number; xdgSurface: number; toplevel: number }> {
    const window = this.unconfigured();
    await firstCommit(this.client, window.surface, window.xdgSurface);
    return window;
  }

  geometry(xdgSurface: number, ...box: readonly [x: number, y: number, width: number, height: number]): void {
    this.client.say(xdgSurface, 'set_window_geometry', box);
  }

  /** What the compositor has received last of a window's geometry, at its last commit. */
  async told(): Promise<unknown> {
    await settle(24);
    return this.compositor.all('xdg_surface.set_window_geometry').at(-1)?.args;
  }

  /** Names of what the compositor has received since the last time, geometry and commits only. */
  #received = 0;
  async order(): Promise<string[]> {
    await settle(24);
    const names = this.compositor.received.slice(this.#received).map(({ name }) => name);
    this.#received = this.compositor.received.length;
    return names.filter(name => /commit$|set_window_geometry|set_desync/.test(name));
  }

  /** The user presses a key in a window of another VM. */
  async typeElsewhere(): Promise<void> {
    const { client, compositor, registry } = await this.between.arrive('other');
    const seat = GLOBALS.findIndex(([name]) => name === 'wl_seat') + 1;
    client.make(client.bind(registry, seat, 'wl_seat', 8), 'get_keyboard');
    await settle(24);
    compositor.say(madeBy(compositor, 'wl_seat.get_keyboard'), 'key', [1, 0, 30, 1]);
    await settle(24);
  }

  /** The compositor says which states a window has. Gives the serial, to be acknowledged. */
  async configure(...states: readonly number[]): Promise<number> {
    await settle(24);
    const toplevel = madeBy(this.compositor, 'xdg_surface.get_toplevel');
    this.compositor.say(toplevel, 'configure', [0, 0, new Uint8Array(Uint32Array.from(states).buffer)]);
    this.compositor.say(madeBy(this.compositor, 'xdg_wm_base.get_xdg_surface'), 'configure', [++this.#serial]);
    await settle(24);
    return this.client.last('xdg_surface.configure').args[0] as number;
  }

  #serial = 2000;
}
