/**
 * An input method that starts while a client with several text inputs has the keyboard: sway 1.7 and 1.10 lose count of
 * them, and end when the same window gets the focus again and then another one.
 */
import t from 'tap';
import { Display } from '../../src/wayland-client/display.js';
import { answered, HOSTILE, Siege, SIEGE, VICTIM } from './siege.js';
import { Window } from './window.js';

t.test('an input method starts and stops beside a client with many text inputs', SIEGE, async t => {
  const siege = await Siege.begin(t);
  const victim = await siege.connect(VICTIM);
  await Window.open(victim, 0x008000, 'victim');
  const hostile = await siege.connect(HOSTILE);
  let entered = 0;
  const seat = hostile.bindOnce('wl_seat', 5);
  for (let i = 0; i < 3; i++) {
    const input = hostile.bindOnce('zwp_text_input_manager_v3', 1).create('get_text_input', seat);
    input.on('enter', () => (entered += 1));
  }
  await answered(hostile);
  await Window.open(hostile, 0x800000, 'hostile');
  for (let i = 0; i < 2; i++) {
    const method = await Display.connect(siege.compositor.display);
    method.bindOnce('zwp_input_method_manager_v2', 1).create('get_input_method', method.bindOnce('wl_seat', 1));
    await answered(method);
    await siege.user.type('a');
    // Each gives the window the focus that it has.
    for (const command of ['[title=hostile] fullscreen enable', '[title=hostile] fullscreen disable', 'focus parent'])
      await siege.sway.message(command);
    await siege.sway.message('focus child');
    await siege.user.move(600, 300);
    await siege.user.click();
    for (const title of ['victim', 'hostile', 'victim', 'hostile']) {
      await siege.sway.message(`[title=${title}] focus`).catch(() => undefined);
    }
    await siege.quiet();
    t.ok(siege.stands, 'the compositor stands');
    method.close();
    await siege.quiet();
  }
  t.ok(entered > 0, 'the input method was told of the window');
  await t.resolves(answered(victim));
});
