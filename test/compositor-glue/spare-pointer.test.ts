/** A seat keeps a pointer once it has had one, where the compositor cannot be without, and no longer than the glue is there. */
import t from 'tap';
import { SparePointers } from '../../compositor-glue/spare-pointer.js';
import { Display } from '../../src/wayland-client/display.js';
import { WlSeatCapability } from '../../src/wayland/protocols/wayland.js';
import { startCage, startSway } from '../compositors.js';
import { eventually } from '../eventually.js';
import { User } from '../firewall/siege.js';

t.test('on sway', async t => {
  const compositor = await startSway(t);
  const spares = new SparePointers(compositor.display);
  t.teardown(() => spares.close());
  await spares.ensure();
  const watching = await Display.connect(compositor.display);
  t.teardown(() => watching.close());
  let has = false;
  const seat = watching.bindOnce('wl_seat', 1);
  seat.on('capabilities', (bits: number) => (has = (bits & WlSeatCapability.pointer) !== 0));
  await watching.roundtrip();
  t.notOk(has, 'a seat that never had one has none');

  const desk = await Display.connect(compositor.display);
  t.teardown(() => desk.close());
  const user = new User(desk);
  await desk.roundtrip();
  await eventually('the seat has a pointer', () => has);
  const old = watching.find('wl_compositor')!.version < 5;
  if (old) await eventually('the glue has made its own', () => spares.count === 1);
  await watching.roundtrip();
  await user.unplug();
  await watching.roundtrip();
  t.equal(has, old, 'and keeps one, where it has to');

  spares.close();
  await eventually('the glue’s own is gone with it', () => !has);
});

t.test('a compositor without virtual pointers is left alone', async t => {
  const compositor = await startCage(t);
  const spares = new SparePointers(compositor.display);
  t.teardown(() => spares.close());
  await t.resolves(spares.ensure());
});

t.test('one that is not there is an error, and asked for again', async t => {
  const spares = new SparePointers('/nowhere/wayland-0');
  await t.rejects(spares.ensure(), { code: 'ENOENT' });
  await t.rejects(spares.ensure(), { code: 'ENOENT' });
  spares.close();
  await t.resolves(spares.ensure(), 'after its end nothing is');
});
