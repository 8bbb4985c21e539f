/** What the user presses, by any device: each press is known by its seat and serial, and goes on to Xwayland. */
import t from 'tap';
import { scaleConcern } from '../../src/x11/scale.js';
import { type Press, userInput } from '../../src/x11/user-input.js';
import { madeBy, between } from '../relay/relay-between.js';
import { settle } from '../relay/peer.js';

const TOOL = 0xff000000;

t.test('a button, a finger and a pen', async t => {
  const presses: Press[] = [];
  const done: string[] = [];
  const input = userInput({
    acts: () => {},
    pointed: surface => done.push(`at ${surface.clientId}`),
    pressed: press => presses.push(press),
    typed: () => done.push('typed'),
  });
  const { client, compositor, registry } = await between(t, { concerns: [{ name: 'input', ...input }] });
  const seat = client.bind(registry, 1, 'wl_seat', 5);
  const surface = client.make(client.bind(registry, 2, 'wl_compositor', 4), 'create_surface');
  const tablets = client.bind(registry, 3, 'zwp_tablet_manager_v2', 1);
  for (const device of ['pointer', 'keyboard', 'touch']) client.make(seat, `get_${device}`);
  client.make(tablets, 'get_tablet_seat', ['new', seat]);
  await settle();
  const there = madeBy(compositor, 'wl_compositor.create_surface');
  const [pointer, touch] = [madeBy(compositor, 'wl_seat.get_pointer'), madeBy(compositor, 'wl_seat.get_touch')];
  compositor.say(pointer, 'enter', [1, there, 0, 0]);
  compositor.say(pointer, 'button', [2, 0, 0x110, 1]);
  compositor.say(pointer, 'button', [3, 0, 0x110, 0]);
  compositor.say(touch, 'down', [4, 0, there, 0, 5, 5]);
  compositor.types.set(TOOL, 'zwp_tablet_tool_v2');
  compositor.versions.set(TOOL, 1);
  compositor.say(madeBy(compositor, 'zwp_tablet_manager_v2.get_tablet_seat'), 'tool_added', [TOOL]);
  compositor.say(TOOL, 'down', [6]);
  await settle();
  t.match(
    presses.map(({ seat, serial }) => [seat.clientId, serial]),
    [
      [seat, 2],
      [seat, 4],
      [seat, 6],
    ],
  );
  t.same(done, [`at ${surface}`, `at ${surface}`], 'and where');
  const told = ['wl_pointer.enter', 'wl_pointer.button', 'wl_touch.down', 'zwp_tablet_tool_v2.down'];
  t.same(
    told.map(name => client.all(name).length),
    [1, 2, 1, 1],
    'Xwayland is told',
  );
  t.same([...client.faults, ...compositor.faults], []);
});

t.test('fingers on a touchpad move as far as the pointer does, at any scale', async t => {
  const { client, compositor, registry } = await between(t, { concerns: [scaleConcern(2)] });
  const seat = client.bind(registry, 1, 'wl_seat', 5);
  const gestures = client.bind(registry, 2, 'zwp_pointer_gestures_v1', 1);
  const pointer = client.make(seat, 'get_pointer');
  for (const kind of ['swipe', 'pinch']) client.make(gestures, `get_${kind}_gesture`, ['new', pointer]);
  await settle();
  const of = (kind: string): number => madeBy(compositor, `zwp_pointer_gestures_v1.get_${kind}_gesture`);
  compositor.say(of('swipe'), 'update', [7, 1.5, -2]);
  compositor.say(of('pinch'), 'update', [8, 3, 4, 1.25, 90]);
  await settle();
  t.same(client.last('zwp_pointer_gesture_swipe_v1.update').args, [7, 3, -4]);
  t.same(
    client.last('zwp_pointer_gesture_pinch_v1.update').args,
    [8, 6, 8, 1.25, 90],
    'how much and how far round stays',
  );
});
