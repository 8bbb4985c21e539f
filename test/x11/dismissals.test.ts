/** What is said of popups waits while the compositor may have dismissed them, and goes on. */
import t, { type Test } from 'tap';
import { eventually } from '../eventually.js';
import { settle } from '../relay/peer.js';
import { between, type Between } from '../relay/relay-between.js';
import { Dismissals, MAX_QUESTIONS } from '../../src/x11/dismissals.js';
import { Surfaces, type Surface } from '../../src/x11/surfaces.js';

interface Desk extends Between {
  readonly dismissals: Dismissals;
  /** Of a popup that is shown, by its id and as we know it. */
  readonly id: number;
  readonly surface: Surface;
  /** Pictures that have reached the compositor. */
  readonly drawn: () => number;
  /** Questions that it has not answered. */
  readonly questions: (() => void)[];
}

async function desk(t: Pick<Test, 'teardown'>): Promise<Desk> {
  const made: Surface[] = [];
  const surfaces = new Surfaces({ made: surface => made.push(surface), gone: () => {} });
  const dismissals: Dismissals = new Dismissals(() => b.relay);
  const concerns = [dismissals.concern, { ...surfaces.concern, after: [dismissals.concern.name] }];
  const b: Between = await between(t, { concerns });
  const factory = b.client.bind(b.registry, 1, 'wl_compositor', 4);
  const id = b.client.make(factory, 'create_surface');
  await settle();
  const [surface] = made;
  surface!.show();
  dismissals.opened(surface!.object);
  const { compositor } = b;
  const { answer } = compositor;
  const questions: (() => void)[] = [];
  compositor.answer = heard => {
    if (heard.name === 'wl_display.sync') questions.push(() => answer(heard));
    else answer(heard);
  };
  const drawn = (): number => compositor.all('wl_surface.commit').length;
  return { ...b, dismissals, id, surface: surface!, drawn, questions };
}

t.test('a picture goes on at once, and after what may move the keyboard when that is answered', async t => {
  const { client, compositor, dismissals, id, drawn, questions } = await desk(t);
  client.say(id, 'commit');
  await eventually('a picture', () => drawn() === 1);
  t.same(questions, []);
  dismissals.doubt();
  client.say(id, 'commit');
  await eventually('a question', () => questions.length === 1);
  await settle();
  t.equal(drawn(), 1, 'it waits');
  questions.pop()!();
  await eventually('the picture', () => drawn() === 2);
  client.say(id, 'commit');
  await eventually('the next one', () => drawn() === 3);
  t.same([questions, client.faults, compositor.faults], [[], [], []]);
});

t.test('one that was dismissed meanwhile says nothing', async t => {
  const { client, dismissals, id, surface, drawn, questions } = await desk(t);
  const said: string[] = [];
  let open = true;
  dismissals.doubt();
  for (const word of ['first', 'last']) dismissals.whenSure(surface, () => open && said.push(word));
  dismissals.whenSure(said, () => said.push('another'));
  client.say(id, 'commit');
  await eventually('a question', () => questions.length === 1);
  open = false;
  dismissals.closed(surface.object);
  surface.hide();
  const before = drawn();
  questions.pop()!();
  await settle();
  t.same(said, ['another']);
  t.ok(drawn() <= before + 1, 'but that it has no picture');
  dismissals.doubt();
  dismissals.whenSure(surface, () => said.push('at once'));
  await settle();
  t.same(said, ['another', 'at once'], 'where there is no popup, there is nothing to wait for');
});

t.test('what comes with it is known before', async t => {
  const { dismissals, surface, questions } = await desk(t);
  const said: string[] = [];
  let open = true;
  dismissals.whenSure(surface, () => open && said.push('too early'));
  open = false;
  await settle();
  t.same([said, questions], [[], []]);
});

t.test(`it waits for ${MAX_QUESTIONS} answers in a row, and then goes on`, async t => {
  const { client, dismissals, id, drawn, questions } = await desk(t);
  dismissals.doubt();
  client.say(id, 'commit');
  for (let answers = 0; answers < MAX_QUESTIONS; answers++) {
    await eventually('a question', () => questions.length === 1);
    await settle();
    t.equal(drawn(), 0);
    dismissals.doubt();
    questions.pop()!();
  }
  await eventually('the picture', () => drawn() === 1);
  await settle();
  t.same(questions, []);
});
