/** X11 programs drag onto windows of Wayland programs and of each other, on a real compositor with a real Xwayland. */
import t from 'tap';
import { WlDataDeviceManagerDndAction } from '../../../src/wayland/protocols/wayland.js';
import { clientMessage } from '../../../src/x11/events.js';
import { createWindow, destroyWindow, sendEvent, setSelectionOwner } from '../../../src/x11/requests.js';
import { MAX_TARGETS } from '../../../src/x11/selections/limits.js';
import { internAtoms } from '../../../src/x11/atoms.js';
import { eventually } from '../../eventually.js';
import { settled } from '../x-client.js';
import { DragsDesk } from './drags-desk.js';

const { copy, move } = WlDataDeviceManagerDndAction;
/** How long a side may say nothing after the drop here, in milliseconds. */
const IDLE_MS = 3_000;

t.setTimeout(200_000);

t.test('onto windows of Wayland programs', async t => {
  const desk = await DragsDesk.open(t);
  const source = await desk.xSource(0);
  const other = await desk.xTarget(1);
  const target = await desk.waylandTarget(2);
  const dropped = ['press', 'XdndEnter', 'XdndPosition', 'accepted', 'release', 'XdndDrop', 'XdndFinished'];
  /** What the source says and hears to a window of ours, behind what it does on the way there. */
  const last = (): readonly string[] => {
    const end = source.told.slice(source.told.lastIndexOf('XdndEnter'));
    return ['press', ...end.filter(word => word !== 'refused')].filter((word, i, all) => word !== all[i - 1]);
  };

  await t.test('a copy', async t => {
    await desk.drag(0, 2);
    await desk.hover(2, 'the window takes it', () => source.accepted);
    await desk.release();
    await eventually('an end', () => source.finished !== undefined);
    t.ok(target.types.includes('text/uri-list'));
    t.same(target.taken, source.data);
    t.same(source.finished, { accepted: true, action: source.atoms.XdndActionCopy });
    t.same(target.told.slice(0, 2), ['enter', 'drop']);
    t.same(last(), dropped);
    t.ok(other.told.length === 0 || other.told.at(-1) === 'XdndLeave');
  });

  await t.test('text of a source that is asked for its kinds, moved', async t => {
    Object.assign(source, { lists: false, types: ['UTF8_STRING'], suggests: 'XdndActionMove', told: [] });
    Object.assign(source, { actions: ['XdndActionCopy', 'XdndActionMove'], data: Buffer.from('Grüße') });
    Object.assign(target, { wants: 'text/plain;charset=utf-8', actions: copy | move, preferred: move });
    await desk.drag(0, 2);
    await desk.hover(2, 'the window takes it', () => source.accepted);
    t.equal(source.action, source.atoms.XdndActionMove);
    await desk.release();
    await eventually('an end', () => source.finished !== undefined);
    t.equal(target.taken?.toString(), 'Grüße');
    t.same(source.finished, { accepted: true, action: source.atoms.XdndActionMove });
    await eventually('the source is told to forget it', () => source.told.includes('DELETE'));
  });

  await t.test('a source that says its kinds only to a window that it drags over', async t => {
    Object.assign(source, { lists: false, tellsTargets: false, minds: true, types: ['text/uri-list'], told: [] });
    Object.assign(source, { actions: [], data: Buffer.from('file:///tmp/two\r\n'), suggests: 'XdndActionCopy' });
    Object.assign(target, { wants: 'text/uri-list', actions: copy, preferred: copy });
    await desk.drag(0, 2);
    await desk.hover(2, 'the window takes it', () => source.accepted);
    await desk.release();
    await eventually('an end', () => source.finished !== undefined);
    t.equal(target.taken?.toString(), 'file:///tmp/two\r\n');
    t.same(last(), dropped);

    // Released before any window was told: nothing of ours stays in the way of the next click, and of the next one.
    Object.assign(source, { enters: false, told: [] });
    await desk.lift(0);
    await desk.release();
    await eventually('a click', () => source.told.includes('release'));
    Object.assign(source, { enters: true, drags: false, told: [] });
    await desk.lift(0);
    await desk.release();
    await eventually('another', () => source.told.join() === 'press,release');
    source.drags = true;
    await desk.drag(0, 1);
    await desk.hover(1, 'an X window takes it', () => source.over === other.window && source.accepted);
    await desk.release();
    await eventually('a drop', () => other.told.includes('XdndDrop'));
    Object.assign(source, { lists: true, tellsTargets: true, minds: false });
    Object.assign(target, { actions: copy | move });
  });

  await t.test('a source that lets it be copied only', async t => {
    source.actions = [];
    await desk.drag(0, 2);
    await desk.hover(2, 'the window takes it', () => source.accepted);
    t.equal(source.action, source.atoms.XdndActionCopy, 'is not asked to move it');
    await desk.release();
    await eventually('an end', () => source.finished !== undefined);
  });

  await t.test('a window that refuses', async t => {
    target.accepts = false;
    source.told.length = target.told.length = 0;
    await desk.drag(0, 2);
    await desk.hover(2, 'it was asked', () => source.told.includes('refused') && target.told.includes('enter'));
    await desk.release();
    await eventually('an end', () => source.told.at(-1) === 'XdndLeave');
    t.notOk(source.told.includes('XdndDrop'));
    t.equal(source.finished, undefined);
    target.accepts = true;
  });

  await t.test('no window at all', async t => {
    await desk.drag(0, 3);
    await desk.hover(3, 'it is over ours', () => source.told.at(-1) === 'refused');
    await desk.release();
    await eventually('an end', () => source.told.at(-1) === 'XdndLeave');
    t.equal(source.finished, undefined);
  });
  t.equal(desk.programs.transferCount, 0);
});

t.test('onto windows of X11 programs', async t => {
  const desk = await DragsDesk.open(t);
  const source = await desk.xSource(0);
  const first = await desk.xTarget(1);
  const wayland = await desk.waylandTarget(2);
  const second = await desk.xTarget(3);

  for (const target of [first, second]) {
    await desk.drag(0, target === first ? 1 : 3);
    await desk.hover(
      target === first ? 1 : 3,
      'the window takes it',
      () => source.over === target.window && source.accepted,
    );
    await desk.release();
    await eventually('an end', () => source.finished !== undefined);
    t.same(target.taken, source.data, 'they exchange it themselves');
    t.equal(target.source, source.window);
    t.same(target.told.slice(-3), ['XdndEnter', 'XdndPosition', 'XdndDrop']);
  }
  const at = await second.origin();
  t.same([second.place.x - at.x, second.place.y - at.y], [100, 100], 'at the place where the pointer is');
  t.notOk(wayland.told.includes('drop'));

  // There and back again.
  await desk.drag(0, 2);
  await desk.hover(2, 'a Wayland window takes it', () => source.accepted && wayland.told.at(-1) === 'enter');
  await desk.over(1);
  await desk.hover(1, 'an X window takes it', () => source.over === first.window && source.accepted);
  await desk.over(2);
  await desk.hover(2, 'the Wayland window again', () => source.over !== first.window && source.accepted);
  await desk.over(3);
  await desk.hover(3, 'the other X window', () => source.over === second.window && source.accepted);
  second.taken = undefined;
  await desk.release();
  await eventually('an end', () => source.finished !== undefined);
  t.same(second.taken, source.data);

  // In one window.
  await desk.lift(0);
  await desk.move(0, 0.8);
  await desk.release();
  await eventually('an end', () => source.told.at(-1) === 'release');
  // Buttons and the pointer are as before.
  source.drags = false;
  source.told.length = 0;
  await desk.move(0);
  await desk.seat.press();
  await desk.release();
  await eventually('a click', () => source.told.join() === 'press,release');
});

t.test('sources that say strange things', async t => {
  const desk = await DragsDesk.open(t);
  const source = await desk.xSource(0);
  const target = await desk.waylandTarget(2);
  const stranger = await desk.client();
  const { x, setup } = stranger;
  const dropsOn = async (): Promise<void> => {
    Object.assign(source, { types: ['text/uri-list'], lists: true });
    target.taken = undefined;
    await desk.drag(0, 2);
    await desk.hover(2, 'the window takes it', () => source.accepted);
    await desk.release();
    await eventually('an end', () => source.finished !== undefined);
    t.same(target.taken, source.data);
  };

  const { XdndSelection, ...atoms } = await new Promise<Readonly<Record<string, number>>>(known =>
    internAtoms(x, ['XdndSelection', 'XdndEnter', 'XdndPosition', 'XdndDrop', 'XdndLeave', 'XdndStatus'], known),
  );
  const window = x.newId();
  x.send(createWindow(window, setup.root, true));
  await desk.move(2);
  for (let i = 0; i < 200; i++) x.send(setSelectionOwner(i % 2 === 0 ? window : 0, XdndSelection!));
  await settled(x);
  t.same(target.told, [], 'a selection that is taken without a button begins nothing');
  await dropsOn();

  await desk.lift(0);
  await eventually('it drags', () => source.told.length > 0);
  for (let i = 0; i < 200; i++) x.send(setSelectionOwner(i % 2 === 0 ? window : 0, XdndSelection!));
  await settled(x);
  await desk.over(2);
  await desk.release();
  t.notOk(target.told.slice(2).includes('drop'), 'one that loses its selection is over');
  await dropsOn();

  // Others say words about windows that are not theirs.
  await desk.drag(0, 2);
  await desk.hover(2, 'the window takes it', () => source.accepted);
  for (const of of [source.over, source.window, 0xdeadbeef]) {
    for (const word of ['XdndEnter', 'XdndPosition', 'XdndDrop', 'XdndLeave', 'XdndStatus']) {
      const message = clientMessage(source.over, atoms[word]!, [
        of === source.window ? window : of,
        0xffffffff,
        1,
        2,
        3,
      ]);
      x.send(sendEvent(source.over, message));
    }
  }
  await settled(x);
  await desk.release();
  await eventually('an end', () => source.finished !== undefined);
  t.same(target.taken, source.data);

  const many = Array.from({ length: 3 * MAX_TARGETS }, (_, i) => `application/x-kind-${i}`);
  const kinds = await new Promise<Readonly<Record<string, number>>>(known => internAtoms(source.x, many, known));
  Object.assign(source.atoms, kinds);
  source.types = many as never;
  target.wants = many[0]!;
  await desk.drag(0, 2);
  await desk.hover(2, 'the window takes it', () => source.accepted);
  t.equal(target.types.length, MAX_TARGETS, 'of thousands of kinds, as many are offered as may be');
  await desk.release();
  await eventually('an end', () => source.finished !== undefined);
  t.same(target.taken, source.data);
  t.equal(desk.programs.windowCount, 1);
});

t.test('ends that die, or never come', async t => {
  const desk = await DragsDesk.open(t, { finishMs: IDLE_MS });
  let source = await desk.xSource(0);
  let target = await desk.waylandTarget(2);
  const bystander = await desk.xTarget(1);
  const works = async (): Promise<void> => {
    target.taken = undefined;
    await desk.drag(0, 2);
    await desk.hover(2, 'the window takes it', () => source.accepted);
    await desk.release();
    await eventually('an end', () => source.finished !== undefined);
    t.equal(source.finished?.accepted, true);
    t.same(target.taken, source.data);
    t.equal(desk.programs.transferCount, 0);
  };

  await desk.drag(0, 2);
  await desk.hover(2, 'the window takes it', () => source.accepted);
  source.x.send(destroyWindow(source.window));
  await desk.hover(2, 'the target is told', () => target.told.at(-1) === 'leave');
  await desk.release();
  source.x.close();
  await eventually('it is gone', () => desk.programs.windowCount === 1);
  source = await desk.xSource(0);
  await works();

  await desk.drag(0, 2);
  await desk.hover(2, 'the window takes it', () => source.accepted);
  source.x.close();
  await eventually('the target is told of a source that is killed', () => target.told.at(-1) === 'leave');
  await desk.release();
  await eventually('it is gone', () => desk.programs.windowCount === 1);
  source = await desk.xSource(0);
  await works();

  target.finishes = false;
  await desk.drag(0, 2);
  await desk.hover(2, 'the window takes it', () => source.accepted);
  await desk.release();
  await eventually('an end', () => source.finished !== undefined);
  t.equal(source.finished?.accepted, false, 'a target that never says that it has done with it');
  target.finishes = true;
  await works();

  target.takes = false;
  target.told.length = 0;
  await desk.drag(0, 2);
  await desk.hover(2, 'the window takes it', () => source.accepted);
  await desk.release();
  await eventually('it is dropped', () => target.told.includes('drop'));
  target.close();
  await eventually('an end', () => source.finished !== undefined);
  t.equal(source.finished?.accepted, false, 'a target that is killed');
  target = await desk.waylandTarget(2);
  await works();

  source.converts = false;
  await desk.drag(0, 2);
  await desk.hover(2, 'the window takes it', () => source.accepted);
  await desk.release();
  await eventually('the target has the end', () => target.taken?.length === 0);
  source.converts = true;
  await works();

  await desk.drag(0, 2);
  await desk.hover(2, 'the window takes it', () => source.accepted);
  source.told.length = 0;
  target.close();
  // With its target the drag is over, for wlroots, and the source is told so.
  await eventually('an end', () => source.told.at(-1) === 'XdndLeave' && source.told.includes('release'));
  await desk.release();
  await desk.drag(0, 1);
  await desk.hover(1, 'the next one takes it', () => source.over === bystander.window && source.accepted);
  await desk.release();
  await eventually('an end', () => source.finished !== undefined);
  t.same(bystander.taken, source.data, 'a target that is killed under what is dragged');
});

t.test('scaled', async t => {
  const desk = await DragsDesk.open(t, { scale: 2 });
  const source = await desk.xSource(0);
  const x = await desk.xTarget(1);
  const wayland = await desk.waylandTarget(2);
  for (const [target, place] of [
    [x, 1],
    [wayland, 2],
  ] as const) {
    await desk.drag(0, place);
    await desk.hover(place, 'the window takes it', () => source.accepted && (place === 2 || source.over === x.window));
    if (place === 1) {
      const at = await x.origin();
      await eventually('the place in X pixels', () => x.place.x - at.x === 200 && x.place.y - at.y === 200);
    }
    await desk.release();
    await eventually('an end', () => source.finished !== undefined);
    t.same(target.taken, source.data);
  }
});
