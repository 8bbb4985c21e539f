/** Wayland programs drag onto windows of X11 programs, on a real compositor with a real Xwayland. */
import t from 'tap';
import { WlDataDeviceManagerDndAction } from '../../../src/wayland/protocols/wayland.js';
import { eventually } from '../../eventually.js';
import { DragsDesk } from './drags-desk.js';

const { copy } = WlDataDeviceManagerDndAction;

t.setTimeout(200_000);

t.test('onto a window that takes it', async t => {
  const desk = await DragsDesk.open(t);
  const target = await desk.xTarget(1);
  const source = await desk.waylandSource(0);
  await desk.drag(0, 1);
  await eventually('the window takes it', () => source.action === copy);
  await desk.release();
  await eventually('an end', () => source.ends.length > 0);
  t.same(target.told, ['XdndEnter', 'XdndPosition', 'XdndDrop']);
  t.same(target.taken, source.data);
  t.same(source.ends, ['finished']);
});
