/**
 * Ends that wlroots 0.15 tells nobody of: a popup that the compositor dismisses before its client has committed it, and a
 * window that was never shown and is another one's parent. What is kept of them is used after it was freed.
 */
import t, { type Test } from 'tap';
import type { Display } from '../../src/wayland-client/display.js';
import type { WaylandObject } from '../../src/wayland-client/wayland-object.js';
import { installed, startCage, startCommand, startLabwc, startSway, type Compositor } from '../compositors.js';
import { eventually } from '../eventually.js';
import { beforeCompositor } from './before-compositor.js';
import { answered, SIEGE } from './siege.js';
import { colourBuffer, corner, newPopup, newSurface, Window } from './window.js';
import { Display as Direct } from '../../src/wayland-client/display.js';

/** Memory that was freed is not what it was. */
const env = { MALLOC_PERTURB_: '165' };

/** A window that is not shown. */
function hiddenWindow(display: Display) {
  const base = display.bindOnce('xdg_wm_base');
  const surface = newSurface(display);
  const xdg = base.create('get_xdg_surface', surface);
  return { surface, xdg, toplevel: xdg.create('get_toplevel') };
}

function destroy({ surface, xdg, toplevel }: ReturnType<typeof hiddenWindow>): void {
  toplevel.request('destroy');
  xdg.request('destroy');
  surface.request('destroy');
}

function stands(t: Test, compositor: Compositor): void {
  t.equal(compositor.process.exitCode ?? compositor.process.signalCode, null, 'the compositor stands');
}

async function shown(
  display: Display,
  surface: WaylandObject<'wl_surface'>,
  xdg: WaylandObject<'xdg_surface'>,
): Promise<void> {
  const configured = display.until<void>(resolve => xdg.once('configure', () => resolve()));
  xdg.on('configure', (serial: number) => {
    xdg.request('ack_configure', serial);
    surface.request('attach', colourBuffer(display, 20, 20, 0xff0000), 0, 0);
    surface.request('commit');
  });
  surface.request('commit');
  await configured;
  await answered(display);
}

async function start(t: Test) {
  const sway = await startSway(t, { env });
  const display = process.env.DIRECT ? await Direct.connect(sway.display) : (await beforeCompositor(t, sway)).display;
  t.teardown(() => display.close());
  return { sway, display };
}

t.test('a parent that is never shown', SIEGE, async t => {
  const { sway, display } = await start(t);
  const parent = hiddenWindow(display);
  const child = await Window.open(display);
  const grandchild = await Window.open(display);
  child.toplevel.request('set_parent', parent.toplevel);
  grandchild.toplevel.request('set_parent', child.toplevel);
  destroy(parent);
  await answered(display);
  destroy(child);
  await answered(display);
  await answered(display);
  stands(t, sway);
});

t.test('a popup that is dismissed before it is committed', SIEGE, async t => {
  const { sway, display } = await start(t);
  const focused = await Window.open(display);
  const { surface, xdg, popup } = newPopup(display, focused.xdg, 60, 40);
  let done = false;
  popup.on('popup_done', () => (done = true));
  await answered(display);
  const next = await Window.open(display);
  await eventually('it is dismissed', () => done);
  popup.request('destroy');
  // What is left has the screen to itself, and when it has, nothing of the other one is kept.
  const alone = display.until<void>(resolve => next.xdg.once('configure', () => resolve()));
  focused.follows = false;
  focused.surface.request('attach', undefined, 0, 0);
  focused.surface.request('commit');
  await alone;
  await answered(display);
  await answered(display);
  const again = xdg.create('get_popup', next.xdg, corner(display, 60, 40));
  await shown(display, surface, xdg);
  const above = newPopup(display, xdg, 20, 20);
  await answered(display);
  await shown(display, above.surface, above.xdg);
  for (const each of [above.popup, again]) each.request('destroy');
  for (const each of [above.xdg, xdg]) each.request('destroy');
  for (const each of [above.surface, surface]) each.request('destroy');
  await answered(display);
  await stands(t, sway);
});

for (const [name, begin] of [
  ['sway', (t: Test) => startSway(t, { env })],
  ['cage', (t: Test) => startCage(t, { env })],
  ['labwc', (t: Test) => startLabwc(t, { env })],
  ['weston', (t: Test) => startCommand(t, ['weston', '--backend=headless-backend.so', '--no-config'], env)],
] as const) {
  const skip = !installed(name) && `${name} is not installed`;
  t.test(`popups that end early, on ${name}`, { ...SIEGE, skip }, async t => {
    const compositor = await begin(t);
    const { display } = await beforeCompositor(t, compositor);
    const { xdg: parent } = await Window.open(display);
    const { surface, xdg, popup } = newPopup(display, parent, 60, 40);
    popup.request('destroy');
    xdg.request('destroy');
    surface.request('destroy');
    const second = newPopup(display, parent, 60, 40);
    second.surface.request('commit');
    second.popup.request('destroy');
    second.xdg.request('destroy');
    const below = newPopup(display, parent, 60, 40);
    await shown(display, below.surface, below.xdg);
    newPopup(display, below.xdg, 20, 20);
    await answered(display);
    display.close();
    const other = await Direct.connect(compositor.display);
    t.teardown(() => other.close());
    await Window.open(other);
    stands(t, compositor);
  });
}
