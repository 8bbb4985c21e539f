/**
 * A seat that is without a pointer any more: what its client makes of the one that it had. wlroots 0.15 reads through what
 * is not there. Where a glue stands before such a compositor, its seat keeps a pointer.
 */
import { setTimeout as pause } from 'node:timers/promises';
import t from 'tap';
import { Display } from '../../src/wayland-client/display.js';
import type { WaylandObject } from '../../src/wayland-client/wayland-object.js';
import { WlSeatCapability } from '../../src/wayland/protocols/wayland.js';
import { startSway } from '../compositors.js';
import { beforeCompositor } from './before-compositor.js';
import { answered, HOSTILE, Siege, SIEGE, User, VICTIM } from './siege.js';
import { Window } from './window.js';

type Deed = (display: Display, pointer: WaylandObject<'wl_pointer'>, surface: WaylandObject<'wl_surface'>) => void;

const DEEDS: readonly (readonly [what: string, deed: Deed])[] = [
  [
    'is locked',
    (display, pointer, surface) =>
      display.bindOnce('zwp_pointer_constraints_v1').create('lock_pointer', surface, pointer, undefined, 2),
  ],
  [
    'is confined',
    (display, pointer, surface) =>
      display.bindOnce('zwp_pointer_constraints_v1').create('confine_pointer', surface, pointer, undefined, 2),
  ],
  [
    'tells how it moves',
    (display, pointer) => display.bindOnce('zwp_relative_pointer_manager_v1').create('get_relative_pointer', pointer),
  ],
  [
    'tells of gestures',
    (display, pointer) => display.bindOnce('zwp_pointer_gestures_v1').create('get_swipe_gesture', pointer),
  ],
  ['has a picture', (_display, pointer) => pointer.request('set_cursor', 0, undefined, 0, 0)],
  ['is let go of', (_display, pointer) => pointer.request('release')],
];

for (const when of ['before', 'after'] as const) {
  for (const [what, deed] of DEEDS) {
    t.test(`a pointer that was asked for ${when} it was unplugged ${what}`, SIEGE, async t => {
      const compositor = await startSway(t);
      const desk = await Display.connect(compositor.display);
      t.teardown(() => desk.close());
      const user = new User(desk);
      await desk.roundtrip();
      const { display: hostile } = await beforeCompositor(t, compositor);
      const { surface } = await Window.open(hostile);
      const seat = hostile.bindOnce('wl_seat');
      await answered(hostile);
      const early = when === 'before' ? seat.create('get_pointer') : undefined;
      await answered(hostile);
      await user.unplug();
      await answered(hostile);
      deed(hostile, early ?? seat.create('get_pointer'), surface);
      await t.resolves(answered(hostile), 'its client goes on');
      await t.resolves(answered(desk), 'the compositor does');
    });
  }
}

t.test('the last pointer is unplugged while a client locks it over and over', SIEGE, async t => {
  const siege = await Siege.begin(t);
  const victim = await siege.connect(VICTIM);
  const hostile = await siege.connect(HOSTILE);
  const { surface } = await Window.open(hostile);
  const seat = hostile.bindOnce('wl_seat', 5);
  let capabilities = 0;
  seat.on('capabilities', (now: number) => (capabilities = now));
  await answered(hostile);
  const pointer = seat.create('get_pointer');
  const constraints = hostile.bindOnce('zwp_pointer_constraints_v1', 1);
  let over = false;
  const flood = (async () => {
    while (!over) {
      for (let i = 0; i < 40; i++) {
        constraints.create('lock_pointer', surface, pointer, undefined, 2).request('destroy');
      }
      await answered(hostile);
    }
  })();
  await pause(100);
  await siege.user.unplug();
  await pause(100);
  over = true;
  await t.resolves(flood);
  // Newer ones can be without.
  if (hostile.find('wl_compositor')!.version < 5)
    t.ok((capabilities & WlSeatCapability.pointer) !== 0, 'the seat has one all the same');
  t.ok(siege.stands, 'the compositor stands');
  await t.resolves(answered(victim));
});
