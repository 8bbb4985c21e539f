/**
 * How a connection ends, with all kinds of objects alive that need others: the compositor ends it for an error of its own
 * finding, the glue is killed, or the client leaves while the compositor is busy. The compositor destroys what there is,
 * and goes on.
 */
import { setTimeout as pause } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { SharedFirewall } from '../../src/firewall/firewall.js';
import { Display } from '../../src/wayland-client/display.js';
import type { WaylandObject } from '../../src/wayland-client/wayland-object.js';
import type { InterfaceName } from '../../src/wayland/message-types.js';
import { messageNamed } from '../../src/wayland/interface.js';
import { installed, startCage, startLabwc, startSway, type Compositor } from '../compositors.js';
import { eventually } from '../eventually.js';
import { beforeCompositor } from './before-compositor.js';
import { answered, SIEGE } from './siege.js';
import { colourBuffer, newPopup, newSurface, Window } from './window.js';

/** Memory that was freed is not what it was. */
const env = { MALLOC_PERTURB_: '165' };
/** Enough for a compositor that was stopped to find the hang-up before it reads. */
const BUSY_MS = 200;

async function shownPopup(parent: WaylandObject<'xdg_surface'>, display: Display) {
  const made = newPopup(display, parent, 60, 40);
  const { surface, xdg } = made;
  xdg.on('configure', (serial: number) => {
    xdg.request('ack_configure', serial);
    surface.request('attach', colourBuffer(display, 60, 40, 0xff0000), 0, 0);
    surface.request('commit');
  });
  surface.request('commit');
  await answered(display);
  await answered(display);
  return made;
}

/**
 * A window with popups, nested subsurfaces and whatever else needs other objects. `handle` is of another client's window:
 * with that there is what wlroots 0.15 has to be told more of before it is destroyed, a window that is the other's child and
 * not shown, and a popup that was not committed.
 */
async function household(display: Display, handle?: string): Promise<void> {
  const { surface, xdg, toplevel } = await Window.open(display);
  const subcompositor = display.bindOnce('wl_subcompositor');
  // Children before their parents, and the other way round.
  const [one, two, three] = [newSurface(display), newSurface(display), newSurface(display)];
  for (const [child, parent] of [
    [two, one],
    [one, surface],
    [three, two],
  ] as const) {
    subcompositor.create('get_subsurface', child, parent);
  }
  for (const each of [three, two, one]) {
    each.request('attach', colourBuffer(display, 20, 20, 0x00ff00), 0, 0);
    each.request('commit');
  }
  const [below, byHandle] = [newSurface(display), newSurface(display)];
  const hidden = display.bindOnce('xdg_wm_base').create('get_xdg_surface', below).create('get_toplevel');
  display.bindOnce('xdg_wm_base').create('get_xdg_surface', byHandle).create('get_toplevel');
  hidden.request('set_parent', toplevel);
  const has = (name: InterfaceName): boolean => display.find(name) !== undefined;
  if (has('wp_viewporter')) display.bindOnce('wp_viewporter').create('get_viewport', surface);
  if (has('zxdg_decoration_manager_v1')) {
    // Of a window that is shown already it would be an error.
    display.bindOnce('zxdg_decoration_manager_v1').create('get_toplevel_decoration', hidden);
  }
  if (has('zwp_idle_inhibit_manager_v1')) {
    display.bindOnce('zwp_idle_inhibit_manager_v1').create('create_inhibitor', surface);
  }
  if (has('zxdg_exporter_v2')) {
    const exported = display.bindOnce('zxdg_exporter_v2').create('export_toplevel', surface);
    const own = await display.until<string>(resolve => exported.once('handle', resolve));
    display
      .bindOnce('zxdg_importer_v2')
      .create('import_toplevel', handle ?? own)
      .request('set_parent_of', byHandle);
  }
  const { xdg: menu } = await shownPopup(xdg, display);
  await shownPopup(menu, display);
  if (handle !== undefined) newPopup(display, xdg, 60, 40);
  surface.request('commit');
  await answered(display);
}

/** The compositor is the one that it was, and shows the windows of others. */
async function stands(t: Test, compositor: Compositor): Promise<void> {
  const other = await Display.connect(compositor.display);
  t.teardown(() => other.close());
  for (let i = 0; i < 5; i++) {
    const { xdg } = await Window.open(other);
    await shownPopup(xdg, other);
  }
  await answered(other);
  t.equal(compositor.process.exitCode ?? compositor.process.signalCode, null, 'the compositor stands');
  other.close();
}

for (const [name, start] of [
  ['sway', (t: Test) => startSway(t, { env })],
  ['cage', (t: Test) => startCage(t, { env })],
  ['labwc', (t: Test) => startLabwc(t, { env })],
] as const) {
  t.test(`on ${name}`, { ...SIEGE, skip: !installed(name) && `${name} is not installed` }, async t => {
    t.test('the compositor finds an error', async t => {
      const compositor = await start(t);
      const { relay, display } = await beforeCompositor(t, compositor);
      await household(display);
      // The firewall would not let this pass: an id that is in use.
      const sync = messageNamed(relay.display.interface.requests, 'sync')!;
      relay.toServer.write(1, sync, [1]);
      relay.flush();
      await eventually('the connection ends', () => relay.closed);
      await stands(t, compositor);
    });

    t.test('the glue is killed', async t => {
      const compositor = await start(t);
      const { display, toCompositor } = await beforeCompositor(t, compositor);
      await household(display);
      toCompositor.close();
      await stands(t, compositor);
    });

    t.test('the client leaves while the compositor is busy', async t => {
      const compositor = await start(t);
      const shared = new SharedFirewall();
      const { display: other } = await beforeCompositor(t, compositor, shared);
      const { surface } = await Window.open(other);
      let handle = '';
      if (other.find('zxdg_exporter_v2') !== undefined) {
        const exported = other.bindOnce('zxdg_exporter_v2').create('export_toplevel', surface);
        handle = await other.until<string>(resolve => exported.once('handle', resolve));
      }
      const { display } = await beforeCompositor(t, compositor, shared);
      await household(display, handle);
      compositor.process.kill('SIGSTOP');
      display.close();
      await pause(BUSY_MS);
      compositor.process.kill('SIGCONT');
      await stands(t, compositor);
      other.close();
      await stands(t, compositor);
    });
  });
}
