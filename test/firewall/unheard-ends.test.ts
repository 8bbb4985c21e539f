/**
 * Ends that wlroots 0.15 tells nobody of: of a popup that it dismisses before it has seen a commit, and of a window that was
 * never shown and is another one's parent. What is kept of them is used after it was freed, so the glue says what is right
 * by the protocols and has such ends told. First before a stand-in, then on real compositors.
 */
import t, { type Test } from 'tap';
import { Display } from '../../src/wayland-client/display.js';
import type { WaylandObject } from '../../src/wayland-client/wayland-object.js';
import { installed, startCage, startCommand, startLabwc, startSway, type Compositor } from '../compositors.js';
import { eventually } from '../eventually.js';
import { settle } from '../relay/peer.js';
import { madeBy } from '../relay/relay-between.js';
import { beforeCompositor } from './before-compositor.js';
import { answered, SIEGE } from './siege.js';
import { walled } from './walled.js';
import { colourBuffer, corner, newPopup, newSurface, Window } from './window.js';

/** What `xdg_wm_base` of wlroots 0.15 is announced in, and of others. */
const [OLD, NEW] = [2, 5];

/** A client with a window that is shown, before a compositor that announces that version. */
async function before(t: Test, version: number) {
  const b = await walled(t);
  const { client, compositor } = b;
  compositor.say(madeBy(compositor, 'wl_display.get_registry'), 'global', [1000, 'xdg_wm_base', version]);
  await settle();
  const window = b.window();
  await b.show(window);
  await client.roundtrip();
  let heard = compositor.received.length;
  return {
    ...b,
    shownWindow: window,
    /** What the compositor has heard of popups and commits since the last time. */
    hears: async (): Promise<string[]> => {
      await client.roundtrip();
      const said = compositor.received.slice(heard).map(({ name }) => name);
      heard = compositor.received.length;
      return said.filter(name => /get_popup|commit|xdg_popup/.test(name));
    },
    wellMannered: (t: Test): void => void t.same([client.all('wl_display.error'), compositor.faults], [[], []]),
  };
}

const TOLD = ['xdg_surface.get_popup', 'wl_surface.commit', 'xdg_popup.destroy'];

t.test('the end of a popup that may have been dismissed unheard is told, by two more on its surface', async t => {
  for (const committed of [false, true]) {
    const { client, compositor, shownWindow, popup, hears, wellMannered } = await before(t, OLD);
    // The stand-in configures what is committed, unless it says nothing.
    const { answer } = compositor;
    compositor.answer = received => (received.name === 'wl_surface.commit' ? undefined : answer?.(received));
    const made = popup(shownWindow.xdg);
    if (committed) client.say(made.surface, 'commit');
    client.say(made.popup, 'destroy');
    client.say(made.xdg, 'destroy');
    t.same(await hears(), [...TOLD, ...TOLD, ...TOLD], committed ? 'committed' : 'not committed');
    const [first, ...others] = compositor.all('xdg_surface.get_popup');
    t.ok(
      others.every(({ id }) => id === first!.id),
      'on the same one',
    );
    wellMannered(t);
  }
});

t.test(
  'nothing more is said of one that was configured, nor to a compositor that would take it for a mistake',
  async t => {
    for (const [version, configured] of [
      [OLD, true],
      [NEW, false],
    ] as const) {
      const { client, compositor, shownWindow, popup, hears, wellMannered } = await before(t, version);
      const made = popup(shownWindow.xdg);
      client.say(made.surface, 'commit');
      await client.roundtrip();
      if (configured) compositor.say(madeBy(compositor, 'xdg_surface.get_popup'), 'configure', [0, 0, 10, 10]);
      await settle();
      client.say(made.popup, 'destroy');
      t.same(await hears(), TOLD);
      wellMannered(t);
    }
  },
);

t.test('where the compositor dismisses it, at once', async t => {
  const { client, compositor, shownWindow, popup, hears, wellMannered } = await before(t, OLD);
  const made = popup(shownWindow.xdg);
  t.same(await hears(), ['xdg_surface.get_popup']);
  compositor.say(madeBy(compositor, 'xdg_surface.get_popup'), 'popup_done');
  await client.receives('xdg_popup.popup_done');
  t.same(await hears(), ['wl_surface.commit', 'xdg_popup.destroy', ...TOLD, ...TOLD]);
  client.say(made.surface, 'commit');
  for (const each of [made.popup, made.xdg, made.surface]) client.say(each, 'destroy');
  t.same(await hears(), [], 'its client says the rest to nobody');
  t.equal(client.all('xdg_popup.popup_done').length, 1);
  wellMannered(t);
});

t.test('a client that leaves: the connection ends when the compositor had time to read that', async t => {
  for (const [version, stays] of [
    [OLD, true],
    [NEW, false],
  ] as const) {
    const { client, compositor, shownWindow, popup, hears } = await before(t, version);
    popup(shownWindow.xdg);
    await hears();
    client.close();
    await compositor.receives('xdg_surface.destroy');
    await settle();
    t.equal(compositor.ended, !stays);
    await compositor.isEnded();
  }
});

t.test('a parent is none any more before it goes', async t => {
  const { client, compositor, shownWindow: above, window, show, wellMannered } = await before(t, NEW);
  const [parent, child] = [window(), window()];
  let heard = 0;
  const parents = async (): Promise<unknown[]> => {
    await client.roundtrip();
    const all = compositor.all('xdg_toplevel.set_parent').map(({ id, args }) => [id, args[0]]);
    return all.slice(heard, (heard = all.length));
  };
  await client.roundtrip();
  const [aboveId, parentId, childId] = compositor.all('xdg_surface.get_toplevel').map(({ args }) => args[0]);
  client.say(child.toplevel, 'set_parent', [parent.toplevel]);
  t.same(await parents(), [[childId, parentId]], 'before it is shown too: toolkits name it so early');
  await show(parent);
  client.say(parent.toplevel, 'set_parent', [above.toplevel]);
  client.say(child.toplevel, 'set_parent', [parent.toplevel]);
  t.same(await parents(), [
    [parentId, aboveId],
    [childId, parentId],
  ]);
  client.say(parent.surface, 'attach', [undefined, 0, 0]);
  client.say(parent.surface, 'commit');
  t.same(await parents(), [[childId, aboveId]], 'its parent’s, when it is hidden');
  for (const each of [above.toplevel, above.xdg, above.surface]) client.say(each, 'destroy');
  const nobodys = [
    [parentId, undefined],
    [childId, undefined],
  ];
  t.same(await parents(), nobodys, 'nobody’s, when that is destroyed');
  wellMannered(t);
});

// ---- real ones ---------------------------------------------------------------------------------------------------

/** Memory that was freed is not what it was. */
const env = { MALLOC_PERTURB_: '165' };

interface Shown {
  readonly surface: WaylandObject<'wl_surface'>;
  readonly xdg: WaylandObject<'xdg_surface'>;
}

function hiddenWindow(display: Display): Shown & { readonly toplevel: WaylandObject<'xdg_toplevel'> } {
  const surface = newSurface(display);
  const xdg = display.bindOnce('xdg_wm_base').create('get_xdg_surface', surface);
  return { surface, xdg, toplevel: xdg.create('get_toplevel') };
}

function destroy({ surface, xdg, toplevel }: ReturnType<typeof hiddenWindow>): void {
  toplevel.request('destroy');
  xdg.request('destroy');
  surface.request('destroy');
}

/** Commits a popup, and draws it as soon as it is configured. */
async function showPopup(display: Display, { surface, xdg }: Shown): Promise<void> {
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

/** It is the one that it was, and shows the windows of others. */
async function stands(t: Test, compositor: Compositor): Promise<void> {
  const other = await Display.connect(compositor.display);
  await Window.open(other);
  other.close();
  t.equal(compositor.process.exitCode ?? compositor.process.signalCode, null, 'the compositor stands');
}

t.test('on sway, a parent that is never shown', SIEGE, async t => {
  const sway = await startSway(t, { env });
  const { display } = await beforeCompositor(t, sway);
  const parent = hiddenWindow(display);
  const child = await Window.open(display);
  const grandchild = await Window.open(display);
  child.toplevel.request('set_parent', parent.toplevel);
  grandchild.toplevel.request('set_parent', child.toplevel);
  destroy(parent);
  await answered(display);
  destroy(child);
  await answered(display);
  await stands(t, sway);
});

t.test('on sway, a popup that is dismissed before it is committed', SIEGE, async t => {
  const sway = await startSway(t, { env });
  const { display } = await beforeCompositor(t, sway);
  const focused = await Window.open(display);
  const { surface, xdg, popup } = newPopup(display, focused.xdg, 60, 40);
  let done = false;
  popup.on('popup_done', () => (done = true));
  await answered(display);
  const next = await Window.open(display);
  await eventually('it is dismissed', () => done);
  popup.request('destroy');
  // What is left has the screen to itself, and when it has, sway has forgotten the other one.
  const alone = display.until<void>(resolve => next.xdg.once('configure', () => resolve()));
  focused.follows = false;
  focused.surface.request('attach', undefined, 0, 0);
  focused.surface.request('commit');
  await alone;
  await answered(display);
  // sway would hear of these twice, the second time for the window that is hidden.
  const again = xdg.create('get_popup', next.xdg, corner(display, 60, 40));
  await showPopup(display, { surface, xdg });
  const above = newPopup(display, xdg, 20, 20);
  await showPopup(display, above);
  above.popup.request('destroy');
  again.request('destroy');
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
    for (const committed of [false, true]) {
      const { surface, xdg, popup } = newPopup(display, parent, 60, 40);
      if (committed) surface.request('commit');
      popup.request('destroy');
      xdg.request('destroy');
      surface.request('destroy');
    }
    const below = newPopup(display, parent, 60, 40);
    await showPopup(display, below);
    newPopup(display, below.xdg, 20, 20);
    await answered(display);
    display.close();
    await stands(t, compositor);
  });
}
