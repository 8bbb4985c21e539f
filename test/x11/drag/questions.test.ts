/** What owners of XdndSelection are asked of what they drag, on a real compositor with a real Xwayland. */
import t from 'tap';
import type { XConnection } from '../../../src/x11/connection.js';
import { selectionNotify, type SelectionTransfer } from '../../../src/x11/events.js';
import { changeWords, createWindow, getGeometry, sendEvent, setSelectionOwner } from '../../../src/x11/requests.js';
import { MAX_DRAG_QUESTIONS } from '../../../src/x11/selections/limits.js';
import { request, u16, u32, XReader } from '../../../src/x11/wire.js';
import { eventually } from '../../eventually.js';
import { until } from '../desk.js';
import { settled } from '../x-client.js';
import { DragsDesk } from './drags-desk.js';
import { dragNames, type DragNames } from './x-ends.js';

/** How long an owner may take here, in milliseconds: nobody waits for that. */
const FOR_EVER_MS = 600_000;
/** A place of the X screen where no window is. */
const NOWHERE = [1_000, 390] as const;

t.setTimeout(120_000);

/** An X client that takes XdndSelection, and answers when it is told to. */
class Owner {
  readonly asked: SelectionTransfer[] = [];
  readonly failures: number[] = [];

  private constructor(
    readonly x: XConnection,
    private readonly root: number,
    private readonly window: number,
    private readonly atoms: DragNames,
  ) {
    x.on('failed', ({ code }) => this.failures.push(code));
    x.on('event', event => {
      if (event.is === 'SelectionRequest') this.asked.push(event);
    });
  }

  static async of(desk: DragsDesk): Promise<Owner> {
    const { x, setup } = await desk.client();
    const atoms = await dragNames(x);
    const window = x.newId();
    x.send(createWindow(window, setup.root, true));
    return new Owner(x, setup.root, window, atoms);
  }

  take(): void {
    this.x.send(setSelectionOwner(this.window, this.atoms.XdndSelection));
  }

  async takeAndBeAsked(): Promise<SelectionTransfer> {
    const count = this.asked.length;
    this.take();
    await eventually('it is asked', () => this.asked.length > count);
    return this.asked.at(-1)!;
  }

  /** As xclip does: without looking whether there is such a window. */
  async answer(asked: SelectionTransfer): Promise<void> {
    const { x, atoms } = this;
    x.send(changeWords(asked.requestor, asked.property, atoms.ATOM, [atoms['text/uri-list']]));
    x.send(sendEvent(asked.requestor, selectionNotify(asked)));
    await settled(x);
  }

  isThere({ requestor }: SelectionTransfer): Promise<boolean> {
    return new Promise(known =>
      this.x.ask(
        getGeometry(requestor),
        () => known(true),
        () => known(false),
      ),
    );
  }

  /** Our window is over the whole screen, for those that say what they have only to a window. */
  isCovered(): Promise<boolean> {
    const place = request(40, 0, u32(this.root), u32(this.root), ...NOWHERE.map(u16));
    return new Promise(known => this.x.ask(place, reply => known(new XReader(reply).u32(8) !== 0)));
  }
}

/** A desk where a button is held in an X window. */
async function held(t: Tap): Promise<DragsDesk> {
  const desk = await DragsDesk.open(t, { finishMs: FOR_EVER_MS });
  const source = await desk.xSource(0);
  source.drags = false;
  await desk.lift(0);
  await eventually('a button is held', () => source.told.includes('press'));
  return desk;
}
type Tap = Parameters<typeof DragsDesk.open>[0];

t.test('the window of a question stays while somebody may write to it', async t => {
  const desk = await held(t);
  const [first, second, third] = [await Owner.of(desk), await Owner.of(desk), await Owner.of(desk)];
  const late = await first.takeAndBeAsked();
  const dead = await second.takeAndBeAsked();
  await third.takeAndBeAsked();
  t.ok(await first.isThere(late), 'though another has the selection');
  await first.answer(late);
  t.same(first.failures, [], 'who is late can write its answer');
  await until('the window is gone then', async () => !(await third.isThere(late)));
  t.ok(await third.isThere(dead));
  second.x.close();
  await until('so is that for one that dies', async () => !(await third.isThere(dead)));
});

t.test('of those that do not answer, so many are asked', async t => {
  const desk = await held(t);
  const owners = [await Owner.of(desk), await Owner.of(desk)] as const;
  const other = await Owner.of(desk);
  for (const owner of owners) {
    for (let i = 0; i < MAX_DRAG_QUESTIONS / 2; i++) await owner.takeAndBeAsked();
    t.notOk(await owner.isCovered());
    owner.take();
    await until('it is taken for one that does not say', () => owner.isCovered());
    t.equal(owner.asked.length, MAX_DRAG_QUESTIONS / 2, 'one client half of them');
  }
  other.take();
  await until('so is another', () => other.isCovered());
  t.same(other.asked, [], 'since there are as many of all');
  await owners[0].answer(owners[0].asked[0]!);
  await other.takeAndBeAsked();
  t.pass('there is room again where one has answered');
  owners[1].x.close();
  for (let i = 1; i < MAX_DRAG_QUESTIONS / 2; i++) await other.takeAndBeAsked();
  t.pass('or died');
});
