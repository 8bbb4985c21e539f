/** A popup's picture waits where its own client may have had it dismissed. */
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
