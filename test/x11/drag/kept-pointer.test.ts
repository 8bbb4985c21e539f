/** X11 programs drag on a compositor that does not take the pointer from the window where the button was pressed. */
import t from 'tap';
import { eventually } from '../../eventually.js';
import { DragsDesk } from './drags-desk.js';
import { KeptPointer } from './kept-pointer.js';

t.setTimeout(120_000);

let kept: KeptPointer;
const desk = await DragsDesk.open(t, { through: sway => (kept = new KeptPointer(t, sway)).display });
const source = await desk.xSource(0);
const target = await desk.xTarget(1);
const wayland = await desk.waylandTarget(2);

t.test('onto a window of a Wayland program', async t => {
  await desk.drag(0, 2);
  await desk.hover(2, 'the window takes it', () => source.accepted && wayland.told.at(-1) === 'enter');
  t.equal(kept.kept, 1, 'the pointer has not left');
  await desk.release();
  await eventually('an end', () => source.finished !== undefined);
  t.same(wayland.taken, source.data);
});

t.test('onto another X window, which the compositor makes active', async t => {
  await desk.drag(0, 1);
  await desk.hover(1, 'the window is told', () => source.over === target.window);
  await desk.sway.message('[title="1 X target"]', 'focus');
  await desk.hover(1, 'the window takes it', () => source.over === target.window && source.accepted);
  await desk.over(2);
  await desk.hover(2, 'a Wayland window', () => source.over !== target.window && source.accepted);
  await desk.over(1);
  await desk.hover(1, 'the X window again', () => source.over === target.window && source.accepted);
  await desk.release();
  await eventually('an end', () => source.finished !== undefined);
  t.same(target.taken, source.data);
});

t.test('in one window: the button and the pointer are as before', async t => {
  source.told.length = 0;
  await desk.lift(0);
  await desk.over(2);
  await desk.hover(2, 'it is carried', () => source.accepted && wayland.told.at(-1) === 'enter');
  await desk.over(0);
  await desk.hover(0, 'the window itself', () => source.told.at(-1) === 'XdndLeave');
  await desk.release();
  await eventually('an end', () => source.told.at(-1) === 'release');
  await desk.hover(0, 'the pointer is there', () => kept.same === 1);
  source.drags = false;
  source.told.length = 0;
  await desk.seat.press();
  await desk.release();
  await eventually('a click', () => source.told.join() === 'press,release');
  t.pass('it is there');
});
