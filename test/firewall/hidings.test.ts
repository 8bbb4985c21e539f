/** A window that is hidden, with a compositor that has not got to that yet. */
import t, { type Test } from 'tap';
import { XdgSurfaceError } from '../../src/wayland/protocols/xdg-shell.js';
import { settle, type Received } from '../relay/peer.js';
import { walled } from './walled.js';

/** A window that is shown, and a compositor that keeps what it says to itself from now on. */
async function scene(t: Test) {
  const w = await walled(t);
  const { compositor } = w;
  const window = w.window();
  await w.show(window);
  await settle(20);
  const theirs = compositor.last('xdg_wm_base.get_xdg_surface').args[0] as number;
  const { answer } = compositor;
  const held: Received[] = [];
  compositor.answer = heard => void held.push(heard);
  const goOn = async (): Promise<void> => {
    compositor.answer = answer;
    for (const heard of held.splice(0)) answer(heard);
    await settle(20);
  };
  const count = (name: string): number => compositor.all(name).length;
  return { ...w, window, theirs, goOn, count };
}

for (const how of ['hidden', 'without a role']) {
  t.test(`what a compositor says to a window before it knows that it is ${how} is of the past`, async t => {
    const { client, compositor, window, theirs, goOn, count, show } = await scene(t);
    if (how === 'hidden') {
      client.say(window.surface, 'attach', [undefined, 0, 0]);
      client.say(window.surface, 'commit');
    } else {
      client.say(window.toplevel, 'destroy');
      client.make(window.xdg, 'get_toplevel');
    }
    await settle(20);
    const acks = count('xdg_surface.ack_configure');
    compositor.say(theirs, 'configure', [77]);
    await client.receives('xdg_surface.configure', 2);
    client.say(window.xdg, 'ack_configure', [77]);
    await goOn();
    t.equal(count('xdg_surface.ack_configure'), acks, 'it does not hear of it');
    t.same([client.all('wl_display.error'), compositor.faults], [[], []], 'and it is no mistake');
    await show(window);
    await settle(20);
    t.equal(count('xdg_surface.ack_configure'), acks + 1, 'what it says then counts');
    t.same([client.all('wl_display.error'), compositor.faults], [[], []], 'the window is shown again');
  });
}

t.test('nobody shows a window by a configure of the past', async t => {
  const { client, compositor, bound, window, theirs, goOn } = await scene(t);
  client.say(window.surface, 'attach', [undefined, 0, 0]);
  client.say(window.surface, 'commit');
  await settle(20);
  compositor.say(theirs, 'configure', [77]);
  await client.receives('xdg_surface.configure', 2);
  client.say(window.xdg, 'ack_configure', [77]);
  await goOn();
  const buffer = client.make(bound.wp_single_pixel_buffer_manager_v1, 'create_u32_rgba_buffer', ['new', 0, 0, 0, 0]);
  client.say(window.surface, 'attach', [buffer, 0, 0]);
  client.say(window.surface, 'commit');
  await client.isEnded();
  t.match(client.last('wl_display.error').args, [window.xdg, XdgSurfaceError.unconfigured_buffer]);
});

t.test('a program that begins by taking away a buffer that it never had is configured', async t => {
  const w = await walled(t);
  const window = w.window();
  w.client.say(window.surface, 'attach', [undefined, 0, 0]);
  await w.show(window);
  await settle(20);
  t.same([w.client.all('wl_display.error'), w.compositor.faults], [[], []]);
  t.equal(w.compositor.all('xdg_surface.ack_configure').length, 1);
});
