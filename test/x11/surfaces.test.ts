/** Surfaces of an Xwayland that are held until they have a role: what waits for that, and how many there may be. */
import t, { type Test } from 'tap';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { MAX_SURFACES } from '../../src/x11/limits.js';
import { Surfaces, type Size, type Surface } from '../../src/x11/surfaces.js';
import { settle } from '../relay/peer.js';
import { between, type Between } from '../relay/relay-between.js';

interface Desk extends Between {
  readonly factory: number;
  readonly made: readonly Surface[];
}

async function desk(t: Pick<Test, 'teardown'>): Promise<Desk> {
  const made: Surface[] = [];
  const surfaces = new Surfaces({ made: surface => made.push(surface), gone: () => {} });
  const b = await between(t, { concerns: [surfaces.concern] });
  const factory = b.client.bind(b.registry, 1, 'wl_compositor', 4);
  await settle();
  return { ...b, factory, made };
}

t.test('frame callbacks of a surface that is held wait here, not at the compositor', async t => {
  const { relay, client, compositor, factory, made } = await desk(t);
  const surface = client.make(factory, 'create_surface');
  const callback = client.make(surface, 'frame');
  client.say(surface, 'commit');
  await settle();
  t.same(compositor.all('wl_surface.frame'), []);
  t.same(client.all('wl_callback.done'), []);

  made[0]!.show();
  relay.flush();
  await settle();
  t.match(client.all('wl_callback.done'), [{ id: callback }], 'they are answered when it is shown');
  t.match(client.all('wl_display.delete_id'), [{ args: [callback] }]);
  client.make(surface, 'frame');
  await settle();
  t.equal(compositor.all('wl_surface.frame').length, 1, 'later ones go on');

  const other = client.make(factory, 'create_surface');
  const unanswered = client.make(other, 'frame');
  client.say(other, 'destroy');
  await settle();
  t.equal(client.all('wl_callback.done').length, 1, 'not those of one that is destroyed');
  t.ok(client.all('wl_display.delete_id').some(({ args: [id] }) => id === unanswered));
  t.same([...client.faults, ...compositor.faults], []);
});

t.test('a commit of ours between a picture and its commit finds the size in which that is shown', async t => {
  const fitted: string[] = [];
  const scaling = { fit: (_: unknown, { width }: Size) => void fitted.push(`fit ${width}`), gone: () => {} };
  const made: Surface[] = [];
  const surfaces = new Surfaces({ made: surface => made.push(surface), gone: () => {} }, scaling);
  const { client, compositor, registry } = await between(t, { concerns: [surfaces.concern] });
  const surface = client.make(client.bind(registry, 1, 'wl_compositor', 4), 'create_surface');
  const fd = new OwnedFd(native.memfd('surfaces', 4096, 0));
  const pool = client.make(client.bind(registry, 2, 'wl_shm', 1), 'create_pool', ['new', fd, 4096]);
  await settle();
  made[0]!.show();
  for (const side of [30, 10]) {
    const buffer = client.make(pool, 'create_buffer', ['new', 0, side, side, 4 * side, 0]);
    client.say(surface, 'attach', [buffer, 0, 0]);
    await settle();
    t.same(fitted.splice(0), [`fit ${side}`]);
    client.say(surface, 'commit');
  }
  await settle();
  t.same(fitted, []);
  compositor.takeFd(compositor.last('wl_shm.create_pool').args[1]).close();
});

t.test(`there are ${MAX_SURFACES} at a time`, async t => {
  const { client, factory, ends } = await desk(t);
  const first = client.make(factory, 'create_surface');
  for (let i = 1; i < MAX_SURFACES; i++) client.make(factory, 'create_surface');
  client.say(first, 'destroy');
  client.make(factory, 'create_surface');
  await settle();
  t.same(ends, [], 'as many as may be, one of them anew');
  client.make(factory, 'create_surface');
  await settle();
  t.match(ends, [{ message: `X11 programs have ${MAX_SURFACES} windows and cursors that are mapped: no more may be` }]);
});

t.test('a surface that is held may be drawn anew before it is shown, and its role is told', async t => {
  const { relay, client, compositor, factory, made } = await desk(t);
  const surface = client.make(factory, 'create_surface');
  const callback = client.make(surface, 'frame');
  client.say(surface, 'commit');
  await settle();
  let commits = 0;
  made[0]!.role = { committing: () => (commits += 1), surfaceGone: () => {} };
  made[0]!.redraw();
  relay.flush();
  await settle();
  t.match(client.all('wl_callback.done'), [{ id: callback }]);
  client.say(surface, 'commit');
  await settle();
  t.equal(commits, 1);
  t.same(compositor.all('wl_surface.commit'), [], 'it is held still');
});

t.test('a picture that is attached before the surface is shown, and committed after that, is shown', async t => {
  const { relay, client, compositor, registry, factory, made } = await desk(t);
  const shm = client.bind(registry, 2, 'wl_shm', 1);
  const pool = client.make(shm, 'create_pool', ['new', new OwnedFd(native.memfd('surfaces', 4096, 0)), 4096]);
  const buffer = client.make(pool, 'create_buffer', ['new', 0, 8, 8, 32, 0]);
  const surface = client.make(factory, 'create_surface');
  client.say(surface, 'attach', [buffer, 0, 0]);
  await settle();
  made[0]!.show();
  relay.flush();
  client.say(surface, 'commit');
  await settle();
  const said = compositor.received.map(({ name }) => name).filter(name => name.startsWith('wl_surface.'));
  t.same(said, ['wl_surface.attach', 'wl_surface.damage', 'wl_surface.commit']);
  t.ok(compositor.last('wl_surface.attach').args[0], 'not without a picture');
  compositor.takeFd(compositor.last('wl_shm.create_pool').args[1]).close();
});
