/** What is said of a popup waits where its own client may have had it dismissed, or has had it for certain. */
import t from 'tap';
import { eventually } from '../eventually.js';
import { firstCommit } from '../relay/manners.js';
import { settle } from '../relay/peer.js';
import { madeBy } from '../relay/relay-between.js';
import { walled } from './walled.js';

/** Requests after which a compositor may move the focus, said of a window. */
const FOCUSING = ['move', 'resize', 'set_fullscreen', 'unset_fullscreen', 'set_maximized', 'set_minimized', 'destroy'];

for (const cause of [...FOCUSING, 'the first picture of another window']) {
  t.test(`after ${cause}`, async t => {
    const { client, compositor, show, window, popup, bound } = await walled(t);
    const parent = window();
    await show(parent);
    const other = window();
    if (FOCUSING.includes(cause)) await show(other);
    else await firstCommit(client, other.surface, other.xdg);
    const menu = popup(parent.xdg);
    await show(menu);
    await client.roundtrip();
    const there = madeBy(compositor, 'xdg_surface.get_popup');
    // From now on it answers later than it dismisses.
    const { answer } = compositor;
    const questions: (() => void)[] = [];
    compositor.answer = heard => {
      if (heard.name === 'wl_display.sync') questions.push(() => answer(heard));
      else answer(heard);
    };
    if (FOCUSING.includes(cause)) {
      const args = { move: [bound.wl_seat, 0], resize: [bound.wl_seat, 0, 1], set_fullscreen: [undefined] };
      client.say(other.toplevel, cause, args[cause as keyof typeof args] ?? []);
    } else {
      const pixel = client.make(bound.wp_single_pixel_buffer_manager_v1, 'create_u32_rgba_buffer', ['new', 0, 0, 0, 0]);
      client.say(other.surface, 'attach', [pixel, 0, 0]);
      client.say(other.surface, 'commit');
    }
    await settle();
    const commits = (): number => compositor.all('wl_surface.commit').length;
    const before = commits();
    client.say(menu.surface, 'commit');
    await eventually('a question', () => questions.length > 0);
    await settle();
    t.equal(commits(), before, 'it waits');
    compositor.say(there, 'popup_done');
    for (const ask of questions.splice(0)) ask();
    compositor.answer = answer;
    await client.roundtrip();
    t.equal(commits(), before, 'and is nothing any more when the popup was dismissed');
    t.same([client.all('wl_display.error'), compositor.faults], [[], []]);
  });
}

/** What may be said of a popup and is a mistake when it is none any more, with what the compositor receives. */
const SAID = [
  'wl_surface.commit',
  'xdg_surface.ack_configure',
  'xdg_surface.set_window_geometry',
  'xdg_surface.get_popup',
];

for (const said of SAID) {
  t.test(`${said} waits too`, async t => {
    const { client, compositor, show, window, popup, bound } = await walled(t);
    const [parent, other] = [window(), window()];
    await show(parent);
    await show(other);
    const menu = popup(parent.xdg);
    await show(menu);
    await client.roundtrip();
    compositor.say(madeBy(compositor, 'xdg_wm_base.get_xdg_surface'), 'configure', [77]);
    await client.roundtrip();
    const { answer } = compositor;
    const questions: (() => void)[] = [];
    compositor.answer = heard => {
      if (heard.name === 'wl_display.sync') questions.push(() => answer(heard));
    };
    client.say(other.toplevel, 'move', [bound.wl_seat, 0]);
    const before = compositor.all(said).length;
    if (said === 'wl_surface.commit') client.say(menu.surface, 'commit');
    else if (said === 'xdg_surface.ack_configure') client.say(menu.xdg, 'ack_configure', [77]);
    else if (said === 'xdg_surface.set_window_geometry') client.say(menu.xdg, 'set_window_geometry', [0, 0, 9, 9]);
    else popup(menu.xdg);
    await eventually('a question', () => questions.length > 0);
    await settle();
    t.equal(compositor.all(said).length, before, 'until the compositor has answered');
    compositor.say(madeBy(compositor, 'xdg_surface.get_popup'), 'popup_done');
    for (const ask of questions.splice(0)) ask();
    compositor.answer = answer;
    await client.roundtrip();
    t.equal(compositor.all(said).length, before, 'by which it was dismissed');
    t.same([client.all('wl_display.error'), compositor.faults], [[], []]);
  });
}

t.test('what configures a popup waits always, once for all that comes with it', async t => {
  const { client, compositor, show, window, popup } = await walled(t);
  const parent = window();
  await show(parent);
  const menu = popup(parent.xdg);
  await show(menu);
  await client.roundtrip();
  const questions: number[] = [];
  const { answer } = compositor;
  compositor.answer = ({ name, args }) => {
    if (name === 'wl_display.sync') questions.push(args[0] as number);
  };
  const told = (): number => compositor.all('xdg_surface.set_window_geometry').length;
  const before = told();
  for (let i = 1; i <= 3; i++) client.say(menu.xdg, 'set_window_geometry', [0, 0, i, i]);
  await eventually('a question', () => questions.length > 0);
  await settle();
  t.equal(told(), before);
  compositor.answer = answer;
  for (const id of questions) compositor.say(id, 'done', [0]);
  await client.roundtrip();
  t.equal(questions.length, 1);
  t.equal(told(), before + 3);
  t.same([client.all('wl_display.error'), compositor.faults], [[], []]);
});

for (const what of ['window', 'menu'] as const) {
  t.test(`a ${what} that is hidden takes what is above it along`, async t => {
    const { client, compositor, show, window, popup } = await walled(t);
    const below = window();
    await show(below);
    const menu = popup(below.xdg);
    await show(menu);
    const submenu = popup(menu.xdg);
    await show(submenu);
    const fresh = popup(submenu.xdg);
    client.say(fresh.surface, 'commit');
    await client.roundtrip();
    const configured = client.all('xdg_surface.configure').find(({ id }) => id === fresh.xdg)!.args[0];
    const from = compositor.received.length;
    const hidden = what === 'window' ? below : menu;
    client.say(hidden.surface, 'attach', [undefined, 0, 0]);
    client.say(hidden.surface, 'commit');
    // What its client says before it hears of that.
    client.say(fresh.xdg, 'ack_configure', [configured]);
    client.say(submenu.xdg, 'set_window_geometry', [0, 0, 9, 9]);
    client.say(submenu.surface, 'commit');
    await client.roundtrip();
    const gone = [fresh, submenu, ...(what === 'window' ? [menu] : [])];
    t.same(
      client.all('xdg_popup.popup_done').map(({ id }) => id),
      gone.map(each => each.popup),
      'the topmost first',
    );
    t.same(
      compositor.received.slice(from).flatMap(({ name }) => (name === 'wl_display.sync' ? [] : [name])),
      [...gone.map(() => 'xdg_popup.destroy'), 'wl_surface.attach', 'wl_surface.commit'],
      'and the compositor has none above it when it hears that it is hidden',
    );
    for (const each of [...gone, ...(what === 'menu' ? [menu] : [])]) {
      client.say(each.popup, 'destroy');
      client.say(each.xdg, 'destroy');
      client.say(each.surface, 'destroy');
    }
    client.say(below.toplevel, 'destroy');
    await client.roundtrip();
    t.same([client.all('wl_display.error'), compositor.faults], [[], []]);
  });
}

t.test('otherwise it goes on at once', async t => {
  const { client, compositor, show, window, popup } = await walled(t);
  const parent = window();
  await show(parent);
  const menu = popup(parent.xdg);
  await show(menu);
  await client.roundtrip();
  compositor.answer = () => undefined;
  const before = compositor.all('wl_surface.commit').length;
  client.say(parent.surface, 'commit');
  client.say(menu.surface, 'commit');
  await eventually('both', () => compositor.all('wl_surface.commit').length === before + 2);
  t.same(compositor.faults, []);
});
