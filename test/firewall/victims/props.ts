/**
 * What a flood needs: objects of every interface, made as a well-behaved program would, and values for every argument. A
 * request is said by its name; whatever its arguments name is made on the way.
 */
import { OwnedFd } from '../../../src/system/fd.js';
import { native } from '../../../src/system/native.js';
import type { UnixSocket } from '../../../src/system/unix-socket.js';
import { REMOTE_GLOBALS } from '../../../src/relay/globals.js';
import { Display } from '../../../src/wayland-client/display.js';
import type { RequestArg, WaylandObject } from '../../../src/wayland-client/wayland-object.js';
import type { Arg, Interface, Message } from '../../../src/wayland/interface.js';
import { MessageWriter } from '../../../src/wayland/message-writer.js';
import { interfaces } from '../../../src/wayland/protocols/index.js';
import { XRGB8888 } from '../../../src/wayland/shm-formats.js';
import type { WireValue } from '../../../src/wayland/wire.js';

/** An object whose requests are named at run time. */
export interface Thing {
  readonly object: WaylandObject;
  say(name: string, ...args: readonly RequestArg[]): void;
  make(name: string, ...args: readonly RequestArg[]): Thing;
}

interface AnyObject {
  request(name: string, ...args: readonly RequestArg[]): void;
  create(name: string, ...args: readonly RequestArg[]): WaylandObject;
}

export function thing(object: WaylandObject): Thing {
  const any = object as unknown as AnyObject;
  return {
    object,
    say: (name, ...args) => any.request(name, ...args),
    make: (name, ...args) => thing(any.create(name, ...args)),
  };
}

/** Values by interface, request and argument, or by the argument alone. */
const VALUES: Readonly<Record<string, RequestArg>> = {
  'wl_surface.set_buffer_scale.scale': 1,
  'wl_surface.set_buffer_transform.transform': 0,
  'wl_surface.attach.x': 0,
  'wl_surface.attach.y': 0,
  'xdg_surface.set_window_geometry.width': 64,
  'xdg_positioner.set_anchor.anchor': 0,
  'xdg_positioner.set_gravity.gravity': 0,
  'zwp_text_input_v3.set_text_change_cause.cause': 0,
  'zxdg_toplevel_decoration_v1.set_mode.mode': 2,
  'wp_cursor_shape_device_v1.set_shape.shape': 1,
  'wp_viewport.set_source.width': 8,
  'wp_viewport.set_source.height': 8,
  mime_type: 'text/plain',
  width: 64,
  height: 64,
  stride: 256,
  size: 16_384,
  offset: 0,
  format: XRGB8888,
  x: 0,
  y: 0,
  lifetime: 2,
  timeout: 60_000,
  cursor: 0,
  anchor: 0,
  serial: 0,
  scale: 1,
  edges: 0,
};

/** Bytes of the memory of a pool. */
const POOL_BYTES = 16_384;

/** Interfaces that a client of another VM can reach, each with the request that makes it. */
export const MAKERS: ReadonlyMap<string, readonly [parent: string, request: Message]> = new Map(
  reachable().flatMap(parent => makersIn(parent)),
);

function makersIn(parent: Interface): [string, readonly [string, Message]][] {
  return parent.requests.flatMap(request => {
    const made = request.args.find(({ kind }) => kind === 'new_id')?.interface;
    return made === undefined ? [] : [[made, [parent.name, request] as const]];
  });
}

/** Every interface whose requests may pass. Those that only events make come too, though no flood can count on them. */
export function reachable(): Interface[] {
  const names = new Set(['wl_display', 'wl_registry', ...REMOTE_GLOBALS.keys()]);
  for (const name of names) {
    const { requests, events } = interfaces.get(name)!;
    for (const { args } of [...requests, ...events])
      for (const { kind, interface: made } of args) if (kind === 'new_id' && made !== undefined) names.add(made);
  }
  return [...names].map(name => interfaces.get(name)!);
}

export class Props {
  readonly #made = new Map<string, Thing>();
  readonly #memory = new OwnedFd(native.memfd('flood', POOL_BYTES, 0));
  readonly display: Display;

  private constructor(
    display: Display,
    readonly socket: UnixSocket,
    readonly path: string,
  ) {
    this.display = display;
  }

  static async open(socket: UnixSocket, path: string): Promise<Props> {
    const props = new Props(await Display.connect(socket), socket, path);
    // A program that is alive says so.
    const base = props.display.bindOnce('xdg_wm_base', 2);
    base.on('ping', (serial: number) => base.request('pong', serial));
    return props;
  }

  close(): void {
    this.#memory.close();
    this.display.close();
  }

  has(global: string): boolean {
    return this.display.find(global) !== undefined;
  }

  /** Version that an object of the interface has here; 0 where there is none. */
  versionOf(name: string): number {
    if (name === 'wl_display' || name === 'wl_registry') return 1;
    const maker = MAKERS.get(name);
    const top = REMOTE_GLOBALS.get(name);
    if (top === undefined) return maker === undefined ? 0 : this.versionOf(maker[0]);
    return Math.min(top, this.display.find(name)?.version ?? 0, interfaces.get(name)!.version);
  }

  /** The object of an interface that all of a flood's requests are about. */
  get(name: string): Thing {
    let found = this.#made.get(name);
    if (found === undefined || found.object.destroyed) this.#made.set(name, (found = this.fresh(name)));
    return found;
  }

  /** A new object of an interface. */
  fresh(name: string): Thing {
    if (REMOTE_GLOBALS.has(name)) {
      if (name === 'xdg_wm_base') return thing(this.display.bindOnce('xdg_wm_base', 2));
      return thing(this.display.bind(this.display.find(name)!));
    }
    const maker = MAKERS.get(name);
    if (maker === undefined) throw new Error(`nothing that a client says makes a ${name}`);
    return this.make(this.get(maker[0]), maker[1]);
  }

  /** Says the request that makes an object, with arguments that go together. */
  make(parent: Thing, request: Message): Thing {
    const made = parent.make(request.name, ...this.args(parent.object.interface.name, request));
    if (made.object.interface.name === 'xdg_positioner') {
      made.say('set_size', 40, 40);
      made.say('set_anchor_rect', 0, 0, 10, 10);
    }
    return made;
  }

  /** Arguments of a request, the object that it makes left out. */
  args(owner: string, request: Message): RequestArg[] {
    return request.args.filter(({ kind }) => kind !== 'new_id').map(arg => this.#value(owner, request, arg));
  }

  /** A request as the bytes that say it so often. */
  repeated(target: Thing, request: Message, times: number, args = this.args(target.object.interface.name, request)) {
    const writer = new MessageWriter();
    const values = args.map((arg): WireValue => (isThing(arg) ? arg.id : (arg as WireValue)));
    for (let i = 0; i < times; i++) writer.write(target.object.id, request, values);
    return writer.bytes.slice();
  }

  fd(): OwnedFd {
    return new OwnedFd(native.dup(this.#memory.fd));
  }

  /** A window that shows a picture, answering what the compositor says of it. */
  async window(): Promise<void> {
    if (this.#made.has('xdg_toplevel')) return;
    const surface = this.get('wl_surface');
    const xdg = this.get('xdg_wm_base').make('get_xdg_surface', surface.object);
    this.#made.set('xdg_surface', xdg);
    const toplevel = xdg.make('get_toplevel');
    this.#made.set('xdg_toplevel', toplevel);
    toplevel.say('set_title', 'flood');
    let shown = false;
    const object = xdg.object as WaylandObject<'xdg_surface'>;
    const first = this.display.until<void>(resolve => object.once('configure', () => resolve()));
    object.on('configure', (serial: number) => {
      xdg.say('ack_configure', serial);
      if (shown) return;
      shown = true;
      surface.say('attach', this.get('wl_buffer').object, 0, 0);
      surface.say('damage', 0, 0, 64, 64);
      surface.say('commit');
    });
    surface.say('commit');
    await first;
    await this.display.roundtrip();
  }

  /** A window that shows nothing. */
  #bare(): Thing {
    let bare = this.#made.get('bare');
    if (bare === undefined) {
      const xdg = this.get('xdg_wm_base').make('get_xdg_surface', this.fresh('wl_surface').object);
      this.#made.set('bare', (bare = xdg.make('get_toplevel')));
    }
    return bare;
  }

  #value(owner: string, request: Message, arg: Arg): RequestArg {
    const exact = VALUES[`${owner}.${request.name}.${arg.name}`] ?? VALUES[arg.name];
    switch (arg.kind) {
      case 'object':
        return this.#named(owner, request, arg);
      case 'fd':
        return this.fd();
      case 'string':
        return exact ?? 'flood';
      case 'array':
        return new Uint8Array(0);
      default:
        return exact ?? 1;
    }
  }

  #named(owner: string, request: Message, arg: Arg): RequestArg {
    const key = `${owner}.${request.name}`;
    // What is put above or below a subsurface is its parent.
    if (key.startsWith('wl_subsurface.place')) return this.get('wl_surface').object;
    // A window is not its own parent, and what an importer knows is nobody's.
    if (key === 'xdg_toplevel.set_parent') return undefined;
    if (arg.nullable === true && !['wl_buffer', 'wl_region', 'xdg_surface'].includes(arg.interface ?? ''))
      return undefined;
    // Decorations are agreed upon before a window shows anything.
    if (request.name === 'get_toplevel_decoration') return this.#bare().object;
    // A role is for a surface without one; the parent of a subsurface has one.
    const becomes = /^(get_subsurface|get_xdg_surface)$/.test(request.name) && arg.name === 'surface';
    return (becomes ? this.fresh(arg.interface!) : this.get(arg.interface!)).object;
  }
}

function isThing(arg: RequestArg): arg is WaylandObject {
  return typeof arg === 'object' && 'interface' in arg;
}
