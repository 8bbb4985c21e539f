/** Wayland programs drag onto windows of X11 programs, on a real compositor with a real Xwayland. */
import t from 'tap';
import { WlDataDeviceManagerDndAction } from '../../../src/wayland/protocols/wayland.js';
import { clientMessage } from '../../../src/x11/events.js';
import { sendEvent } from '../../../src/x11/requests.js';
import { eventually } from '../../eventually.js';
import { settled } from '../x-client.js';
import { DragsDesk, SIDE } from './drags-desk.js';

const { none, copy, move, ask } = WlDataDeviceManagerDndAction;
/** How long a window may say nothing after the drop here, in milliseconds. */
const IDLE_MS = 3_000;

t.setTimeout(200_000);

t.test('windows that take it', async t => {
  const desk = await DragsDesk.open(t);
  const target = await desk.xTarget(1);
  const proxied = await desk.xTarget(2, true);
  const source = await desk.waylandSource(0);

  await t.test('a copy', async t => {
    await desk.drag(0, 1);
    await desk.hover(1, 'the window takes it', () => source.action === copy);
    await desk.release();
    await eventually('an end', () => source.ends.length > 0);
    t.same(target.told, ['XdndEnter', 'XdndPosition', 'XdndDrop']);
    t.same(target.types, [target.atoms['text/uri-list']]);
    t.same(target.taken, source.data);
    t.same(source.ends, ['finished']);
  });

  await t.test('by a window that has its messages sent to another', async t => {
    target.told.length = 0;
    await desk.drag(0, 1);
    await desk.hover(1, 'the one that is passed is told', () => target.told.includes('XdndPosition'));
    await desk.over(2);
    await desk.hover(2, 'it takes it', () => proxied.told.includes('XdndPosition') && source.action === copy);
    await desk.release();
    await eventually('an end', () => source.ends.length > 0);
    t.same(target.told, ['XdndEnter', 'XdndPosition', 'XdndLeave'], 'the one that was passed is told so');
    t.same(proxied.told, ['XdndEnter', 'XdndPosition', 'XdndDrop']);
    t.same(proxied.taken, source.data);
  });

  await t.test('text of many kinds, moved', async t => {
    target.told.length = 0;
    Object.assign(source, { actions: copy | move, types: ['text/plain;charset=utf-8', 'text/html', 'image/png'] });
    source.data = Buffer.from('Grüße');
    Object.assign(target, { wants: 'UTF8_STRING', action: 'XdndActionMove', finishes: false });
    await desk.drag(0, 1);
    await desk.hover(1, 'the window takes it', () => source.action === move);
    await desk.release();
    await eventually('the data', () => target.taken?.toString() === 'Grüße');
    t.ok(target.types.length > 3, 'more kinds than fit into a message');
    t.ok(target.types.includes(target.atoms.STRING));
    t.same(source.ends, [], 'it is not over before the window says so');
    t.equal(await target.convert('DELETE'), true, 'it may say that it has moved it');
    target.finish();
    await eventually('an end', () => source.ends.length > 0);
    t.same(source.ends, ['finished']);
  });

  await t.test('asked about', async t => {
    source.actions = copy | move | ask;
    Object.assign(target, { action: 'XdndActionAsk', taken: undefined });
    await desk.drag(0, 1);
    await desk.hover(1, 'the window takes it', () => source.action === ask);
    await desk.release();
    await eventually('the data', () => target.taken !== undefined);
    target.action = 'XdndActionMove';
    target.finish();
    await eventually('an end', () => source.ends.length > 0);
    t.same([source.ends, source.action], [['finished'], move]);
  });
  t.equal(desk.programs.transferCount, 0);
});

t.test('windows that do not', async t => {
  const desk = await DragsDesk.open(t, { finishMs: IDLE_MS });
  const target = await desk.xTarget(1);
  const unaware = await desk.xSource(2);
  const source = await desk.waylandSource(0);
  /** It still goes. */
  const works = async (): Promise<void> => {
    Object.assign(target, { accepts: true, answers: true, finishes: true, wants: 'text/uri-list', taken: undefined });
    source.writes = true;
    source.action = none;
    await desk.drag(0, 1);
    await desk.hover(1, 'the window takes it', () => source.action === copy);
    await desk.release();
    await eventually('an end', () => source.ends.length > 0);
    t.same([source.ends, target.taken], [['finished'], source.data]);
    t.equal(desk.programs.transferCount, 0);
  };

  target.accepts = false;
  await desk.drag(0, 1);
  await desk.hover(1, 'the window is told', () => target.told.includes('XdndPosition'));
  await desk.release();
  await eventually('an end', () => source.ends.length > 0);
  t.same(source.ends, ['cancelled'], 'one that refuses');
  await eventually('it is told', () => target.told.at(-1) === 'XdndLeave');
  await works();

  await desk.drag(0, 2);
  await desk.release();
  await eventually('an end', () => source.ends.length > 0);
  t.same(source.ends, ['cancelled'], 'one that knows of no drags');
  await works();

  target.told.length = 0;
  target.answers = false;
  await desk.drag(0, 1);
  await desk.hover(1, 'the window is told', () => target.told.includes('XdndPosition'));
  await desk.release();
  await eventually('an end', () => source.ends.length > 0);
  t.same(source.ends, ['cancelled'], 'one that never answers');
  await works();

  target.finishes = false;
  await desk.drag(0, 1);
  await desk.hover(1, 'the window takes it', () => source.action === copy);
  await desk.release();
  await eventually('an end', () => source.ends.length > 0);
  t.same(source.ends, ['cancelled'], 'one that never says that it has done with it');
  await works();

  source.writes = false;
  await desk.drag(0, 1);
  await desk.hover(1, 'the window takes it', () => source.action === copy);
  await desk.release();
  await eventually('the source is asked', () => source.asked > 0);
  await eventually('an end', () => source.ends.length > 0);
  t.equal(target.taken?.length, 0, 'a source that never writes is given up as any other');
  await works();

  // What strangers say is about nothing.
  const { x } = unaware;
  await desk.drag(0, 1);
  await desk.hover(1, 'the window takes it', () => source.action === copy);
  for (const [word, data] of [
    ['XdndFinished', [target.window, 1, 0, 0, 0]],
    ['XdndStatus', [unaware.window, 0, 0, 0, 0]],
    ['XdndStatus', [0xdeadbeef, 1, 0, 0, 0]],
    ['XdndDrop', [target.window, 0, 0, 0, 0]],
  ] as const) {
    x.send(sendEvent(target.source, clientMessage(target.source, target.atoms[word], data)));
  }
  await settled(x);
  await desk.move(1, 0.6);
  await desk.release();
  await eventually('an end', () => source.ends.length > 0);
  t.same(source.ends, ['finished']);
  await works();
});

t.test('ends that die', async t => {
  const desk = await DragsDesk.open(t);
  const [first, second] = [await desk.xTarget(1), await desk.xTarget(2)];
  const source = await desk.waylandSource(0);

  await desk.drag(0, 1);
  await desk.hover(1, 'the window takes it', () => source.action === copy);
  first.x.close();
  await eventually('the window is gone', () => desk.programs.windowCount === 1);
  await desk.over(2);
  await desk.hover(2, 'the next one takes it', () => second.told.includes('XdndPosition'));
  await desk.move(2, 0.6);
  await desk.hover(2, 'and is told where', () => source.action === copy);
  await desk.release();
  await eventually('an end', () => source.ends.length > 0);
  t.same([source.ends, second.taken], [['finished'], source.data]);

  second.told.length = 0;
  second.finishes = false;
  await desk.drag(0, 2);
  await desk.hover(2, 'the window takes it', () => source.action === copy && second.told.includes('XdndPosition'));
  await desk.release();
  await eventually('it has the data', () => second.taken !== undefined && second.told.includes('XdndDrop'));
  const keeper = await desk.xTarget(1);
  second.x.close();
  await eventually('an end', () => source.ends.length > 0);
  t.same(source.ends, ['cancelled'], 'of a window that is gone before it has said the end');

  await desk.drag(0, 1);
  await desk.hover(1, 'the window takes it', () => keeper.told.includes('XdndPosition'));
  source.close();
  await desk.hover(1, 'the window is told', () => keeper.told.at(-1) === 'XdndLeave');
  await desk.release();
  await settled(keeper.x);
});

t.test('scaled', async t => {
  const desk = await DragsDesk.open(t, { scale: 2 });
  const target = await desk.xTarget(1);
  const source = await desk.waylandSource(0);
  await desk.drag(0, 1);
  await desk.hover(1, 'the window takes it', () => source.action === copy);
  await desk.move(1, 0.75);
  const at = await target.origin();
  await eventually(
    'the place in X pixels',
    () => target.place.x - at.x === 1.5 * SIDE && target.place.y - at.y === 1.5 * SIDE,
  );
  await desk.release();
  await eventually('an end', () => source.ends.length > 0);
  t.same([source.ends, target.taken], [['finished'], source.data]);
});
