/** Floods that take several requests: what a compositor works hard for, and each of it what a program may do. */
import { setTimeout as pause } from 'node:timers/promises';
import { closeAll, OwnedFd } from '../../../src/system/fd.js';
import { native } from '../../../src/system/native.js';
import { UnixSocket } from '../../../src/system/unix-socket.js';
import { MessageWriter } from '../../../src/wayland/message-writer.js';
import { interfaces } from '../../../src/wayland/protocols/index.js';
import { XRGB8888 } from '../../../src/wayland/shm-formats.js';
import type { WaylandObject } from '../../../src/wayland-client/wayland-object.js';
import type { Kind } from './kinds.js';
import { thing, type Props, type Thing } from './props.js';

/** Side of a large buffer in pixels, and of a huge one. */
const LARGE = 1024;
const HUGE = 4096;
/** Most that a string may have in a message, about. */
const LONG = 4000;

function requestOf(name: string, request: string) {
  return interfaces.get(name)!.requests.find(each => each.name === request)!;
}

function buffer(props: Props, side: number): Thing {
  const bytes = side * side * 4;
  const fd = new OwnedFd(native.memfd('flood', bytes, 0));
  const pool = props.get('wl_shm').make('create_pool', fd, bytes);
  const made = pool.make('create_buffer', 0, side, side, side * 4, XRGB8888);
  pool.say('destroy');
  return made;
}

function show(surface: Thing, picture: Thing, side: number): void {
  surface.say('attach', picture.object, 0, 0);
  surface.say('damage', 0, 0, side, side);
  surface.say('commit');
}

function repeat(times: number, each: number, act: () => void): () => number {
  return () => {
    for (let i = 0; i < times; i++) act();
    return times * each;
  };
}

/** Commits of one window with all of it damaged. */
function commits(name: string, side: number): Kind {
  return {
    name,
    begin: async props => {
      await props.window();
      const picture = buffer(props, side);
      const surface = props.get('wl_surface');
      return repeat(16, 3, () => show(surface, picture, side));
    },
  };
}

/** Subsurfaces of one window: side by side on it, or each of the one before. */
function subsurfaces(name: string, count: number, side: number, deep: boolean, sync: boolean): Kind {
  return {
    name,
    begin: async props => {
      await props.window();
      const picture = buffer(props, side);
      const top = props.get('wl_surface');
      // So large that all of them are seen.
      show(top, buffer(props, Math.max(side, 64)), Math.max(side, 64));
      const all: Thing[] = [];
      for (let i = 0; i < count; i++) {
        const surface = props.fresh('wl_surface');
        const parent = deep ? (all.at(-1) ?? top) : top;
        const sub = props.get('wl_subcompositor').make('get_subsurface', surface.object, parent.object);
        if (!sync) sub.say('set_desync');
        show(surface, picture, side);
        all.push(surface);
        if (i % 32 === 31) await props.display.roundtrip();
      }
      for (const surface of [...all].reverse()) surface.say('commit');
      top.say('commit');
      let next = 0;
      return repeat(16, 3, () => {
        if (sync && next % all.length === 0) top.say('commit');
        show(all[next++ % all.length]!, picture, side);
      });
    },
  };
}

/** Surfaces that are given a role, shown, and go. */
function shownAndGone(name: string, roleOf: (props: Props, xdg: Thing) => Thing): Kind {
  return {
    name,
    begin: async props => {
      await props.window();
      const picture = props.get('wl_buffer');
      return async () => {
        const surface = props.fresh('wl_surface');
        const xdg = props.get('xdg_wm_base').make('get_xdg_surface', surface.object);
        const role = roleOf(props, xdg);
        const object = xdg.object as WaylandObject<'xdg_surface'>;
        const first = props.display.until<number>(resolve => object.once('configure', resolve));
        surface.say('commit');
        xdg.say('ack_configure', await first);
        show(surface, picture, 64);
        await props.display.roundtrip();
        role.say('destroy');
        xdg.say('destroy');
        surface.say('destroy');
        return 10;
      };
    },
  };
}

const mapped = shownAndGone('windows mapped and unmapped', (_props, xdg) => xdg.make('get_toplevel'));

const popups = shownAndGone('popups mapped and destroyed', (props, xdg) =>
  xdg.make('get_popup', props.get('xdg_surface').object, props.get('xdg_positioner').object),
);

/** One request again and again, with arguments that are not what {@link Props} gives. */
function again(name: string, owner: string, request: string, args: (props: Props, i: number) => unknown[]): Kind {
  return {
    name,
    begin: async props => {
      if (props.versionOf(owner) < requestOf(owner, request).since) return undefined;
      await props.window();
      const target = props.get(owner);
      let i = 0;
      return repeat(32, 1, () => target.say(request, ...(args(props, i++) as never[])));
    },
  };
}

/** Two requests in turn. */
function toggles(name: string, owner: string, one: string, other: string): Kind {
  return {
    name,
    begin: async props => {
      await props.window();
      const target = props.get(owner);
      return repeat(32, 2, () => {
        target.say(one, ...props.args(owner, requestOf(owner, one)));
        target.say(other, ...props.args(owner, requestOf(owner, other)));
      });
    },
  };
}

const regions: Kind = {
  name: 'input regions of 256 rectangles set and committed',
  begin: async props => {
    await props.window();
    const surface = props.get('wl_surface');
    return () => {
      const region = props.fresh('wl_region');
      for (let i = 0; i < 256; i++) region.say('add', 2 * (i % 16), 2 * Math.floor(i / 16), 1, 1);
      surface.say('set_input_region', region.object);
      surface.say('set_opaque_region', region.object);
      surface.say('commit');
      region.say('destroy');
      return 261;
    };
  },
};

const damages: Kind = {
  name: 'damage of very many rectangles',
  begin: async props => {
    await props.window();
    const surface = props.get('wl_surface');
    const picture = buffer(props, LARGE);
    return () => {
      surface.say('attach', picture.object, 0, 0);
      for (let i = 0; i < 256; i++) surface.say('damage', (i * 37) % LARGE, (i * 91) % LARGE, 3, 3);
      surface.say('commit');
      return 258;
    };
  },
};

const resized: Kind = {
  name: 'buffers of changing size',
  begin: async props => {
    await props.window();
    const surface = props.get('wl_surface');
    const pictures = [64, 256, LARGE, 512].map(side => [buffer(props, side), side] as const);
    let i = 0;
    return repeat(16, 3, () => show(surface, ...pictures[i++ % pictures.length]!));
  },
};

/** Each commit asks to be told when it was shown. */
function told(name: string, ask: (props: Props, surface: Thing) => unknown): Kind {
  return {
    name,
    begin: async props => {
      await props.window();
      const [surface, picture] = [props.get('wl_surface'), props.get('wl_buffer')];
      return repeat(16, 4, () => {
        ask(props, surface);
        show(surface, picture, 64);
      });
    },
  };
}

const newBuffers: Kind = {
  name: 'pool, buffer, commit, destroyed',
  begin: async props => {
    await props.window();
    const surface = props.get('wl_surface');
    return repeat(8, 6, () => {
      const pool = props.get('wl_shm').make('create_pool', props.fd(), 16_384);
      const made = pool.make('create_buffer', 0, 64, 64, 256, XRGB8888);
      pool.say('destroy');
      show(surface, made, 64);
      made.say('destroy');
    });
  },
};

const viewports: Kind = {
  name: 'viewport changed and committed',
  begin: async props => {
    await props.window();
    const [surface, viewport, picture] = [props.get('wl_surface'), props.get('wp_viewport'), buffer(props, LARGE)];
    let i = 0;
    return repeat(16, 4, () => {
      viewport.say('set_destination', 64 + (i++ % 512), 500);
      show(surface, picture, LARGE);
    });
  },
};

/** Globals bound, of each kind, and kept as many as there may be. */
const bound: Kind = {
  name: 'globals bound and left',
  begin: props => () => {
    for (const name of ['wl_output', 'wl_seat']) thing(props.display.bind(props.display.find(name)!)).say('release');
    return 4;
  },
};

/** A connection that is not a display: its ids count up, and nobody looks at what comes. */
class Bare {
  readonly socket: UnixSocket;
  readonly #writer = new MessageWriter();
  #next = 2;
  received = 0;

  constructor(path: string) {
    this.socket = UnixSocket.connect(path);
    this.socket.on('data', (bytes, fds) => {
      this.received += bytes.length;
      closeAll(fds);
    });
    this.socket.on('error', () => undefined);
  }

  say(request: string, times: number): void {
    for (let i = 0; i < times; i++) this.#writer.write(1, requestOf('wl_display', request), [this.#next++]);
    this.socket.send(this.#writer.bytes.slice());
    this.#writer.reset();
  }
}

/** Each of 200 registries is told every global; a new connection then, since few compositors let one end. */
const registries: Kind = {
  name: 'registries, 200 a connection',
  begin: props => async () => {
    const bare = new Bare(props.path);
    bare.socket.start();
    bare.say('get_registry', 200);
    for (let i = 0; i < 100 && bare.received < 200 * 1000 && !bare.socket.closed; i++) await pause(1);
    bare.socket.close();
    return 200;
  },
};

/** Connections that come and go. */
const connections: Kind = {
  name: 'connections opened and closed',
  begin: props => async () => {
    const bare = new Bare(props.path);
    bare.say('sync', 1);
    await new Promise(resolve => setImmediate(resolve));
    bare.socket.close();
    return 1;
  },
};

/** Asks and does not read what is answered, until nobody takes its questions any more. */
const deaf: Kind = {
  name: 'syncs of a client that does not read',
  begin: props => {
    let bare = new Bare(props.path);
    let left = 200;
    return async () => {
      if (left-- === 0) {
        await pause(100);
        bare.socket.close();
        bare = new Bare(props.path);
        left = 200;
      }
      if (bare.socket.queuedBytes > 65_536) await pause(1);
      else bare.say('sync', 512);
      return 512;
    };
  },
};

/** Asks for what is in the clipboard, and does not read it. */
const unread: Kind = {
  name: 'pastes that are not read',
  begin: async props => {
    const device = props.get('wl_data_device').object as WaylandObject<'wl_data_device'>;
    let offer: WaylandObject<'wl_data_offer'> | undefined;
    device.on('selection', found => (offer = found));
    await props.window();
    const held: OwnedFd[] = [];
    return async () => {
      await pause(1);
      if (offer === undefined || offer.destroyed) return 0;
      const [read, write] = native.pipe();
      held.push(new OwnedFd(read));
      if (held.length > 20) held.shift()!.close();
      offer.request('receive', 'text/plain', new OwnedFd(write));
      return 1;
    };
  },
};

export const MADE_UP: readonly Kind[] = [
  commits('commits of 64 × 64, all damaged', 64),
  commits('commits of 1024 × 1024, all damaged', LARGE),
  commits('commits of 4096 × 4096, all damaged', HUGE),
  subsurfaces('commits of 64 subsurfaces of 500 × 500', 64, 500, false, false),
  subsurfaces('commits of 400 small subsurfaces', 400, 16, false, false),
  subsurfaces('commits of a tree of subsurfaces, 8 deep', 8, 64, true, false),
  subsurfaces('the same, synchronized', 8, 64, true, true),
  subsurfaces('commits of 200 synchronized subsurfaces', 200, 32, false, true),
  mapped,
  popups,
  regions,
  damages,
  resized,
  told('commits with frame callbacks', (_props, surface) => surface.make('frame')),
  told('commits with presentation feedback', (props, { object }) =>
    props.get('wp_presentation').make('feedback', object),
  ),
  newBuffers,
  viewports,
  bound,
  registries,
  connections,
  deaf,
  unread,
  again('titles of 4,000 bytes', 'xdg_toplevel', 'set_title', (_props, i) => ['x'.repeat(LONG) + String(i % 10)]),
  again('titles that change', 'xdg_toplevel', 'set_title', (_props, i) => [`title ${i}`]),
  again('app ids that change', 'xdg_toplevel', 'set_app_id', (_props, i) => [`id${i}`]),
  toggles('fullscreen and not', 'xdg_toplevel', 'set_fullscreen', 'unset_fullscreen'),
  toggles('maximized and not', 'xdg_toplevel', 'set_maximized', 'unset_maximized'),
];
