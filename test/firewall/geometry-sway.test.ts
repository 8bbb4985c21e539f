/**
 * A VM that wants to draw over the windows of another, and over the title bar with its own name, on a real compositor:
 * whatever it says, its pixels are inside of its own window.
 */
import t, { type Test } from 'tap';
import { Glue } from '../../compositor-glue/glue.js';
import { findWindow, type TreeNode } from '../../src/demo/demo-picture.js';
import type { Rect } from '../../src/wayland/rect.js';
import type { Picture } from '../../src/frames/picture.js';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { UnixSocket } from '../../src/system/unix-socket.js';
import { openDevice } from '../../src/virtwl/device.js';
import { SocketVfd } from '../../src/virtwl/vfd.js';
import { Display } from '../../src/wayland-client/display.js';
import type { WaylandObject } from '../../src/wayland-client/wayland-object.js';
import { DEFAULT_SHADOW } from '../../src/firewall/geometry.js';
import { startSway, type Sway } from '../compositors.js';
import { boundsOfDifference, Screen } from '../loopback/screen.js';

const VICTIM = 0x2040a0;
const HONEST = 0xa02020;
const ATTACK = 0x20a020;

/** A window of one colour. */
interface Window {
  readonly display: Display;
  readonly surface: WaylandObject<'wl_surface'>;
  readonly xdgSurface: WaylandObject<'xdg_surface'>;
}

function show(
  display: Display,
  surface: WaylandObject<'wl_surface'>,
  width: number,
  height: number,
  colour: number,
): void {
  const bytes = 4 * width * height;
  const fd = native.memfd('virtwl-spoof', bytes, 0);
  const mapping = native.map(fd, 0, bytes, true);
  new Uint32Array(mapping.buffer, 0, width * height).fill(colour);
  mapping.unmap();
  const pool = display.bindOnce('wl_shm', 1).create('create_pool', new OwnedFd(fd), bytes);
  const buffer = pool.create('create_buffer', 0, width, height, 4 * width, 1);
  pool.request('destroy');
  surface.request('attach', buffer, 0, 0);
  surface.request('damage', 0, 0, width, height);
}

interface Opening {
  readonly appId: string;
  readonly colour: number;
  readonly version?: number;
  readonly decorated?: boolean;
}

async function open(display: Display, { appId, colour, version = 6, decorated = false }: Opening): Promise<Window> {
  const surface = display.bindOnce('wl_compositor', 4).create('create_surface');
  const shell = display.bindOnce('xdg_wm_base', Math.min(version, display.find('xdg_wm_base')!.version));
  const xdgSurface = shell.create('get_xdg_surface', surface);
  const toplevel = xdgSurface.create('get_toplevel');
  toplevel.request('set_app_id', appId);
  toplevel.request('set_title', appId);
  if (decorated) {
    const manager = display.bindOnce('zxdg_decoration_manager_v1', 1);
    manager.create('get_toplevel_decoration', toplevel).request('set_mode', 2);
  }
  surface.request('commit');
  xdgSurface.on('configure', (serial: number) => xdgSurface.request('ack_configure', serial));
  await display.until<void>(resolve => xdgSurface.once('configure', () => resolve()));
  await display.roundtrip();
  show(display, surface, 300, 200, colour);
  surface.request('commit');
  await display.roundtrip();
  return { display, surface, xdgSurface };
}

type Attack = (window: Window) => void;

function child({ display, surface }: Window): {
  surface: WaylandObject<'wl_surface'>;
  sub: WaylandObject<'wl_subsurface'>;
} {
  const below = display.bindOnce('wl_compositor', 4).create('create_surface');
  const sub = display.bindOnce('wl_subcompositor', 1).create('get_subsurface', below, surface);
  sub.request('set_position', -400, -300);
  return { surface: below, sub };
}

const ATTACKS: Readonly<Record<string, Attack>> = {
  'a buffer beyond the geometry': window => {
    window.xdgSurface.request('set_window_geometry', 400, 300, 300, 200);
    show(window.display, window.surface, 1100, 800, ATTACK);
    window.surface.request('commit');
  },
  'a subsurface that is there with the window': window => {
    const below = child(window);
    window.xdgSurface.request('set_window_geometry', 0, 0, 300, 200);
    show(window.display, below.surface, 1100, 800, ATTACK);
    below.surface.request('commit');
    window.surface.request('commit');
  },
  'a subsurface that comes later by itself': window => {
    const below = child(window);
    below.sub.request('set_desync');
    window.xdgSurface.request('set_window_geometry', 0, 0, 300, 200);
    window.surface.request('commit');
    show(window.display, below.surface, 1100, 800, ATTACK);
    below.surface.request('commit');
  },
  'the same without a geometry': window => {
    const below = child(window);
    below.sub.request('set_desync');
    window.surface.request('commit');
    show(window.display, below.surface, 1100, 800, ATTACK);
    below.surface.request('commit');
  },
  'a subsurface that has waited': window => {
    const below = child(window);
    window.xdgSurface.request('set_window_geometry', -1000, -1000, 3000, 3000);
    window.surface.request('commit');
    show(window.display, below.surface, 1100, 800, ATTACK);
    below.surface.request('commit');
    below.sub.request('set_desync');
  },
};

/** Where a colour is. */
function boundsOf(picture: Picture, colour: number): Rect | undefined {
  const without = picture.pixels.map(pixel => ((pixel & 0xffffff) === colour ? ~pixel : pixel));
  return boundsOfDifference(picture, { ...picture, pixels: without });
}

const isInside = (inner: Rect, outer: Rect, margin: number): boolean =>
  inner.x >= outer.x - margin &&
  inner.y >= outer.y - margin &&
  inner.x + inner.width <= outer.x + outer.width + margin &&
  inner.y + inner.height <= outer.y + outer.height + margin;

const LAYOUTS: readonly (readonly [name: string, config: string, opening: Partial<Opening>, margin: number])[] = [
  ['tiled', '', {}, DEFAULT_SHADOW],
  ['tiled, by a client that has no word for it', '', { version: 1 }, 0],
  [
    'floating, with a title bar of the compositor',
    'for_window [app_id="evil"] floating enable, move position 500 200',
    { decorated: true },
    0,
  ],
  ['floating', 'for_window [app_id="evil"] floating enable, move position 500 200', {}, DEFAULT_SHADOW],
];

t.setTimeout(240_000);

for (const [layout, config, opening, margin] of LAYOUTS) {
  t.test(layout, async t => {
    const sway = await startSway(t, {
      width: 1280,
      height: 720,
      config: `default_border normal 2\ndefault_floating_border normal 2\n${config}`,
    });
    const glue = new Glue({ device: openDevice({ loopback: sway.runtimeDir }), display: sway.display });
    t.teardown(() => glue.close());
    const client = async (vm: string): Promise<Display> => {
      const [ours, theirs] = native.socketpair();
      glue.serve(vm, openDevice({ loopback: sway.runtimeDir }).adopt(new SocketVfd(theirs)));
      return Display.connect(new UnixSocket(new OwnedFd(ours)));
    };
    const screen = await Screen.open(t, sway.display);
    for (const [attack, act] of Object.entries(ATTACKS)) {
      await t.test(attack, async t => attacked(t, sway, screen, client, { ...opening, act, margin }));
    }
  });
}

async function attacked(
  t: Test,
  sway: Sway,
  screen: Screen,
  client: (vm: string) => Promise<Display>,
  { act, margin, ...opening }: Partial<Opening> & { act: Attack; margin: number },
): Promise<void> {
  const [victim, attacker] = [await client('bank'), await client('work')];
  t.teardown(() => victim.close());
  t.teardown(() => attacker.close());
  await open(victim, { appId: 'bank', colour: VICTIM });
  await screen.until('the victim', picture => boundsOf(picture, VICTIM) !== undefined);
  const window = await open(attacker, { appId: 'evil', colour: HONEST, ...opening });
  await screen.until('the attacker', picture => boundsOf(picture, HONEST) !== undefined);
  act(window);
  await attacker.roundtrip();
  const picture = await screen.still('the attack', seen => boundsOf(seen, ATTACK) !== undefined);
  const tree = (await sway.message('-t', 'get_tree')) as TreeNode;
  const own = findWindow(tree, appId => appId.endsWith('evil'))!;
  const seen = boundsOf(picture, ATTACK)!;
  t.ok(isInside(seen, own, margin), `seen at ${JSON.stringify(seen)}, the window is at ${JSON.stringify(own)}`);
  attacker.close();
  victim.close();
  await screen.until('nothing', empty =>
    [VICTIM, HONEST, ATTACK].every(colour => boundsOf(empty, colour) === undefined),
  );
}
