/**
 * A seat that is without a pointer any more: what its client makes of the one that it had. wlroots 0.15 reads through what
 * is not there.
 */
import t from 'tap';
import type { Display } from '../../src/wayland-client/display.js';
import type { WaylandObject } from '../../src/wayland-client/wayland-object.js';
import { answered, HOSTILE, Siege, SIEGE, VICTIM } from './siege.js';
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
      const siege = await Siege.begin(t);
      const victim = await siege.connect(VICTIM);
      const hostile = await siege.connect(HOSTILE);
      const { surface } = await Window.open(hostile);
      const seat = hostile.bindOnce('wl_seat');
      await answered(hostile);
      const early = when === 'before' ? seat.create('get_pointer') : undefined;
      await answered(hostile);
      await siege.user.unplug();
      await answered(hostile);
      deed(hostile, early ?? seat.create('get_pointer'), surface);
      await t.resolves(answered(hostile), 'its client goes on');
      await siege.quiet();
      t.ok(siege.stands, 'the compositor does');
      await t.resolves(answered(victim));
    });
  }
}
