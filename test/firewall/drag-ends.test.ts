/**
 * A client that ends what its drag needs while the user is in the middle of it. What a compositor remembers of a drag has
 * pointers into the client that began it.
 */
import t from 'tap';
import { eventually } from '../eventually.js';
import { answered, HOSTILE, Siege, SIEGE, VICTIM } from './siege.js';
import { colourBuffer, newSurface, Senses, Window } from './window.js';

/** A hostile client whose window, at the right, was pressed on, and its victim's window at the left. */
async function pressed(siege: Siege) {
  const victim = await siege.connect(VICTIM);
  await Window.open(victim, 0x008000, 'victim');
  const display = await siege.connect(HOSTILE);
  const window = await Window.open(display, 0x800000, 'hostile');
  const senses = new Senses(display);
  const manager = display.bindOnce('wl_data_device_manager', 3);
  const device = manager.create('get_data_device', senses.seat);
  await answered(display);
  await answered(display);
  await siege.user.move(600, 300);
  await siege.user.press();
  await eventually('the button', () => senses.buttonSerial !== 0);
  const source = manager.create('create_data_source');
  source.request('offer', 'text/plain');
  const surface = newSurface(display);
  surface.request('attach', colourBuffer(display, 20, 20, 0xffff00), 0, 0);
  surface.request('commit');
  return { victim, display, window, senses, device, source, icon: surface };
}

/** The user goes on over the victim's window, and lets go there. */
async function carryOn(siege: Siege): Promise<void> {
  for (let x = 600; x > 50; x -= 50) await siege.user.move(x, 300);
  await siege.user.release();
  await siege.quiet();
}

type Dragging = Awaited<ReturnType<typeof pressed>>;

const ENDS: readonly (readonly [what: string, end: (dragging: Dragging) => void])[] = [
  ['its seat', ({ senses }) => senses.seat.request('release')],
  [
    'all that it drags with',
    ({ icon, source, device }) => {
      icon.request('destroy');
      source.request('destroy');
      device.request('release');
    },
  ],
  ['its connection', ({ display }) => display.close()],
];

t.test('a client ends in the middle of its drag', SIEGE, async t => {
  for (const [what, end] of ENDS) {
    for (const mine of [true, false]) {
      t.test(`${what}${mine ? '' : ', of a drag within itself'}`, SIEGE, async t => {
        const siege = await Siege.begin(t);
        const dragging = await pressed(siege);
        const { victim, display, window, senses, device, source, icon } = dragging;
        device.request('start_drag', mine ? source : undefined, window.surface, icon, senses.buttonSerial);
        await answered(display);
        await siege.user.move(590, 300);
        end(dragging);
        await carryOn(siege);
        t.ok(siege.stands, 'the compositor stands');
        await t.resolves(answered(victim));
      });
    }
  }
});
