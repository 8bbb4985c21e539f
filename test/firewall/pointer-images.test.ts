/** Cursors and what is dragged: they are small, and near the pointer. */
import t, { type Test } from 'tap';
import { DEFAULT_CURSOR } from '../../src/firewall/pointer-images.js';
import { settle } from '../relay/peer.js';
import { madeBy } from '../relay/relay-between.js';
import { Desk } from './desk.js';

t.test('cursors', async t => {
  const pointing = async (t: Test) => {
    const desk = await Desk.open(t);
    const pointer = desk.client.make(desk.global('wl_seat'), 'get_pointer');
    const { surface } = await desk.window();
    await settle(24);
    const [theirs, window] = [madeBy(desk.compositor, 'wl_seat.get_pointer'), surfaceOf(desk)];
    desk.compositor.say(theirs, 'enter', [7, window, 0, 0]);
    await settle(24);
    return { desk, pointer, surface, cursor: desk.surface() };
  };
  const surfaceOf = (desk: Desk): number => madeBy(desk.compositor, 'wl_compositor.create_surface');

  t.test('as large as allowed are shown, and near the pointer', async t => {
    const { desk, pointer, cursor } = await pointing(t);
    desk.client.say(pointer, 'set_cursor', [7, cursor, -4000, 4000]);
    desk.show(cursor, DEFAULT_CURSOR, DEFAULT_CURSOR);
    await settle(24);
    t.match(desk.compositor.last('wl_pointer.set_cursor').args, [7, surfaceOf(desk), 0, DEFAULT_CURSOR]);
    t.type(desk.compositor.last('wl_surface.attach').args[0], 'number');
  });
  t.test('and larger ones are not', async t => {
    const { desk, pointer, cursor } = await pointing(t);
    desk.client.say(pointer, 'set_cursor', [7, cursor, 0, 0]);
    desk.show(cursor, DEFAULT_CURSOR + 1, 8);
    await settle(24);
    t.notOk(desk.compositor.last('wl_surface.attach').args[0], 'the last thing attached is nothing');
    t.notOk(desk.client.ended);
    const early = desk.surface();
    desk.show(early, 8, DEFAULT_CURSOR + 1);
    desk.client.say(pointer, 'set_cursor', [7, early, 0, 0]);
    await settle(24);
    t.equal(desk.compositor.all('wl_pointer.set_cursor').length, 1, 'nor when it was large before it was a cursor');
  });
  t.test('do not wander off', async t => {
    const { desk, pointer, cursor } = await pointing(t);
    desk.client.say(pointer, 'set_cursor', [7, cursor, 0, 0]);
    desk.client.say(cursor, 'offset', [DEFAULT_CURSOR, 0]);
    desk.client.say(cursor, 'offset', [1, 0]);
    await settle(24);
    t.equal(desk.compositor.all('wl_surface.offset').length, 1);
  });
  t.test('with subsurfaces that are larger end their client', async t => {
    const { desk, pointer, cursor } = await pointing(t);
    desk.client.say(pointer, 'set_cursor', [7, cursor, 0, 0]);
    desk.show(cursor, 8, 8);
    const child = desk.surface();
    desk.subsurface(child, cursor);
    desk.show(child, DEFAULT_CURSOR + 1, 8);
    await desk.client.isEnded();
    t.match(desk.client.last('wl_display.error').args[2], /a cursor or what is dragged is over 512 units/);
  });
});

t.test('what is dragged is seen while it is as small as a cursor', async t => {
  for (const [large, shown] of [
    [DEFAULT_CURSOR, true],
    [DEFAULT_CURSOR + 1, false],
  ] as const) {
    const desk = await Desk.open(t);
    const seat = desk.global('wl_seat');
    desk.client.make(seat, 'get_pointer');
    const device = desk.client.make(desk.global('wl_data_device_manager'), 'get_data_device', ['new', seat]);
    const { surface } = await desk.window();
    await settle(24);
    desk.compositor.say(madeBy(desk.compositor, 'wl_seat.get_pointer'), 'button', [9, 0, 0x110, 1]);
    await settle(24);
    const icon = desk.surface();
    desk.show(icon, 8, large);
    desk.client.say(device, 'start_drag', [undefined, surface, icon, 9]);
    await settle(24);
    const told = desk.compositor.last('wl_data_device.start_drag').args[2];
    t.equal(told !== undefined, shown, `${large} high`);
    desk.show(icon, 8, 8);
    await settle(24);
    t.notOk(desk.client.ended);
  }
});
