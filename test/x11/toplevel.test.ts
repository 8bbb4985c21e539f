/** What a window of X11 says to the compositor of what that says to it: a compositor of the test's own. */
import t from 'tap';
import { LogOutput } from '../../src/observe/log.js';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { XdgToplevelState } from '../../src/wayland/protocols/xdg-shell.js';
import { Shell } from '../../src/x11/shell.js';
import { Surfaces, type Surface } from '../../src/x11/surfaces.js';
import { Toplevel } from '../../src/x11/toplevel.js';
import { words } from '../../src/x11/wire.js';
import { settle } from '../relay/peer.js';
import { between, madeBy } from '../relay/relay-between.js';

const [WIDTH, HEIGHT] = [20, 10];
const SCREEN = [640, 480] as const;

t.test('a compositor that says no size to a window that is maximized behind its being full screen', async t => {
  const shell = new Shell();
  const made: Surface[] = [];
  const surfaces = new Surfaces({ made: surface => made.push(surface), gone: () => {} });
  const concerns = [surfaces.concern, { name: 'shell', events: shell.events }];
  const { relay, client, compositor, registry } = await between(t, { concerns });
  shell.attach(relay, false, () => {});
  shell.sees({ name: 1, interface: 'xdg_wm_base', version: 2 });
  const surface = client.make(client.bind(registry, 2, 'wl_compositor', 4), 'create_surface');
  const fd = new OwnedFd(native.memfd('toplevel', 4096, 0));
  const pool = client.make(client.bind(registry, 3, 'wl_shm', 1), 'create_pool', ['new', fd, 4096]);
  const buffer = client.make(pool, 'create_buffer', ['new', 0, WIDTH, HEIGHT, 4 * WIDTH, 0]);
  await settle();
  const owner = { configured: () => undefined, isChanging: () => false, closeAsked: () => {}, drawn: () => {} };
  const log = new LogOutput({ write: () => {} }).log('test');
  const window = new Toplevel(shell, made[0]!, owner, 1, log);
  window.commit();
  made[0]!.show();
  client.say(surface, 'attach', [buffer, 0, 0]);
  client.say(surface, 'commit');
  await settle();
  t.ok(window.mapped);

  const [toplevel, xdgSurface] = ['xdg_surface.get_toplevel', 'xdg_wm_base.get_xdg_surface'].map(request =>
    madeBy(compositor, request),
  ) as [number, number];
  const says = async (serial: number, size: readonly [number, number], ...states: number[]): Promise<void> => {
    compositor.say(toplevel, 'configure', [...size, words(states)]);
    compositor.say(xdgSurface, 'configure', [serial]);
    await settle();
  };
  const asked = (): number => compositor.all('xdg_toplevel.set_fullscreen').length;
  const acknowledged = (): unknown[] => compositor.all('xdg_surface.ack_configure').map(({ args: [serial] }) => serial);
  const before = acknowledged().length;
  const answered = (): unknown[] => acknowledged().slice(before);
  const { maximized, fullscreen } = XdgToplevelState;

  window.setFullscreen(true);
  window.setMaximized(true);
  await says(1, [0, 0], maximized, fullscreen);
  t.equal(asked(), 2, 'is asked again');
  t.same(answered(), [], 'and not answered');
  await says(2, SCREEN, maximized, fullscreen);
  t.same(answered(), [2]);

  window.setFullscreen(false);
  await says(3, [0, 0], maximized, fullscreen);
  t.equal(asked(), 2, 'but not for what the window is to be no more');
  t.same(answered(), [2]);
  await says(4, SCREEN, maximized);
  t.same(answered(), [2, 4]);
  await says(5, [0, 0], maximized, fullscreen);
  t.equal(asked(), 3, 'unless it has become so again since');
  await says(6, [0, 0], maximized, fullscreen);
  t.same(answered(), [2, 4, 6], 'twice in a row, it is meant');
});
