/** X11 programs drag onto windows of Wayland programs and of each other, on a real compositor with a real Xwayland. */
import t from 'tap';
import { eventually } from '../../eventually.js';
import { DragsDesk } from './drags-desk.js';

t.setTimeout(200_000);

t.test('onto a window of a Wayland program', async t => {
  const desk = await DragsDesk.open(t);
  const source = await desk.xSource(0);
  const target = await desk.waylandTarget(2);
  await desk.drag(0, 2);
  await eventually('the window takes it', () => source.accepted, 5_000).catch(() => console.log(source.told, target.told));
  await desk.release();
  await eventually('an end', () => source.finished !== undefined, 5_000).catch(() => console.log(source.told, target.told));
  t.same(target.types.slice(1), ['text/uri-list']);
  t.same(target.taken, source.data);
  t.same(source.finished, { accepted: true, action: source.atoms.XdndActionCopy });
  t.same(target.told, ['enter', 'drop']);
  t.same(source.told, []);
});
