/** An X11 program that drags by a finger, on a real sway with a touch screen: docs/x11.md says why it is left to itself. */
import t from 'tap';
import { window as windowIn } from '../../../src/x11/replies.js';
import { getSelectionOwner, setSelectionOwner } from '../../../src/x11/requests.js';
import { eventually } from '../../eventually.js';
import { until } from '../desk.js';
import { DragsDesk } from './drags-desk.js';
import { dragNames } from './x-ends.js';

t.setTimeout(120_000);

const trace: string[] = [];
const stage = await DragsDesk.touchStage(t);
const { screen } = stage;
const desk = await DragsDesk.open(t, { stage, trace: line => void trace.push(line) });
const source = await desk.xSource(0);
const target = await desk.waylandTarget(2);
const { x } = await desk.client();
const { XdndSelection } = await dragNames(x);
const owner = (): Promise<number> =>
  new Promise(known => x.ask(getSelectionOwner(XdndSelection), reply => known(windowIn(reply))));
/** How often the compositor was asked to carry something. */
const asked = (): number => trace.filter(line => line.includes('.start_drag(')).length;

const carries = async (): Promise<void> => {
  await desk.drag(0, 2);
  await desk.hover(2, 'the window takes it', () => source.accepted);
  await desk.release();
  await eventually('an end', () => source.finished !== undefined);
};

t.test('the compositor is not asked to carry it', async t => {
  await carries();
  t.equal(asked(), 1, 'as it is where a button is held');
  source.told.length = target.told.length = 0;
  x.send(setSelectionOwner(0, XdndSelection));
  await until('nobody drags', async () => (await owner()) === 0);
  screen.down(...DragsDesk.at(0));
  let step = 0;
  await until('the program drags', async () => {
    screen.move(...DragsDesk.at(0, 0.5 + (step++ % 20) / 100));
    return (await owner()) === source.window;
  });
  for (const part of [0.3, 0.4, 0.5]) screen.move(...DragsDesk.at(2, part));
  screen.lift();
  await eventually('it is told that the finger was lifted', () => source.told.includes('release'));
  t.equal(asked(), 1);
  t.same(target.told, []);
  await carries();
  t.ok(target.told.includes('drop'), 'and the pointer carries as before');
});
