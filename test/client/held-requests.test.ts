/**
 * A compositor that does not give buffers back, because it is stopped, or because it has a reason: the application's buffers
 * stay busy, memory stays bounded, everything that does not depend on it goes on, and what was said arrives in the order in
 * which it was said.
 */
import t, { type Test } from 'tap';
import { MAX_BUSY_LINK_BUFFERS } from '../../src/client/app-surface.js';
import { MAX_HELD_BYTES, MAX_HELD_COMMITS } from '../../src/client/held-requests.js';
import { settle, type Received } from '../relay/peer.js';
import { timestamp } from '../../src/wayland/timestamp.js';
import { Random } from '../wayland/random.js';
import { connectApp, DrawnPool, LINK_GLOBALS, type AppAndLink, type LinkedSurface } from './app-and-link.js';

const GLOBALS = [...LINK_GLOBALS, ['virtwl_clock_v1', 1], ['wp_presentation', 2], ['xdg_wm_base', 6]] as const;
const SIDE = 16;
const BYTES = 4 * SIDE * SIDE;
const FRAMES = 40;
const SEED = Number(process.env.FUZZ_SEED ?? 3);

interface Surface {
  readonly id: number;
  readonly theirs: number;
}

/** An application at a compositor that answers only when it is told to, and releases nothing by itself. */
class Scene {
  /** Whether the compositor reads at all: answers `sync`. */
  answers = true;
  readonly #unanswered: number[] = [];
  readonly pool: DrawnPool;
  #drawn = 0;

  private constructor(
    readonly t: Test,
    readonly c: AppAndLink,
  ) {
    this.pool = new DrawnPool(c, 256 * BYTES);
    t.teardown(() => this.pool.close());
    const { peer } = c.far;
    const answer = peer.answer;
    peer.answer = received => {
      if (received.name === 'wl_display.sync' && !this.answers) this.#unanswered.push(received.args[0] as number);
      else answer(received);
      if (received.name === 'virtwl_clock_v1.read') {
        const { tv_sec_hi, tv_sec_lo, tv_nsec } = timestamp(process.hrtime.bigint());
        peer.say(received.id, 'time', [received.args[0], tv_sec_hi, tv_sec_lo, tv_nsec]);
      }
      const bound =
        received.name === 'wl_registry.bind' ? (received.args[1] as { id: number; interface: string }) : undefined;
      if (bound?.interface === 'wp_presentation') peer.say(bound.id, 'clock_id', [1]);
    };
  }

  static async open(t: Test): Promise<Scene> {
    return new Scene(t, await connectApp(t, { globals: GLOBALS }));
  }

  /** The compositor reads again, and answers. */
  async goOn(): Promise<void> {
    this.answers = true;
    for (const id of this.#unanswered.splice(0)) {
      this.c.far.peer.say(id, 'done', [0]);
      this.c.far.peer.say(1, 'delete_id', [id]);
    }
    await settle();
  }

  bind(name: string, version: number): number {
    return this.c.app.bind(this.c.registry, GLOBALS.findIndex(([iface]) => iface === name) + 1, name, version);
  }

  async surface(factory = this.c.factory): Promise<Surface> {
    const id = this.c.app.make(factory, 'create_surface');
    await settle();
    return { id, theirs: this.c.far.peer.last('wl_compositor.create_surface').args[0] as number };
  }

  /** A new buffer of the application, all of its bytes `value`. */
  buffer(value: number, side = SIDE): number {
    const offset = (this.#drawn++ % 256) * BYTES;
    this.pool.bytes.fill(value, offset, offset + 4 * side * side);
    return this.pool.buffer(offset, side, side);
  }

  /** Shows a new picture, all of its bytes `value`. Returns its buffer. */
  draw(surface: Surface, value: number, side = SIDE): number {
    const buffer = this.buffer(value, side);
    this.say(surface, 'attach', [buffer, 0, 0]);
    this.say(surface, 'damage_buffer', [0, 0, side, side]);
    this.say(surface, 'commit');
    return buffer;
  }

  /** As many pictures as the compositor may hold, so that the next one waits. */
  async fill(surface: Surface): Promise<void> {
    for (let i = 0; i < MAX_BUSY_LINK_BUFFERS; i++) this.draw(surface, 1 + i);
    await settle();
  }

  say(surface: Surface, name: string, args: readonly (number | undefined)[] = []): void {
    this.c.app.say(surface.id, name, args);
  }

  at(surface: Surface): LinkedSurface {
    return this.c.far.surfaces.get(surface.theirs)!;
  }

  /** The value of the picture that is shown; undefined where it is not of one value, or nothing is shown. */
  value(surface: Surface): number | undefined {
    const { shown } = this.at(surface);
    if (shown === undefined) return undefined;
    const bytes = this.c.far.pixels(shown);
    return bytes.every(byte => byte === bytes[0]) ? bytes[0] : undefined;
  }

  /** Every buffer but those that are shown is given back. */
  async release(): Promise<void> {
    for (const id of this.idle()) this.c.far.release(id);
    await settle();
  }

  /** Buffers that the compositor holds and does not show. */
  idle(): number[] {
    const shown = new Set([...this.c.far.surfaces.values()].map(surface => surface.shown));
    return this.c.far.held.filter(id => !shown.has(id));
  }

  /** Buffers that the application got back. */
  get released(): number[] {
    return this.c.app.all('wl_buffer.release').map(({ id }) => id);
  }

  /** What the compositor has received since, without what is the proxy's own. */
  receivedSince(count: number): Received[] {
    return this.c.far.peer.received.slice(count);
  }

  get received(): number {
    return this.c.far.peer.received.length;
  }

  /** Nothing that was not to be. */
  fine(): void {
    const { ends, far, app } = this.c;
    this.t.same([ends, far.mistakes, far.peer.faults, app.faults], [[], [], [], []]);
  }
}

for (const sizes of ['one size', 'another size each time'] as const) {
  for (const reads of ['is stopped', 'answers, and releases nothing'] as const) {
    t.test(`frames of ${sizes}, each in a new buffer, at a compositor that ${reads}`, async t => {
      const s = await Scene.open(t);
      const surface = await s.surface();
      s.answers = reads !== 'is stopped';
      const buffers: number[] = [];
      for (let i = 1; i <= FRAMES; i++) {
        buffers.push(s.draw(surface, i, sizes === 'one size' ? SIDE : 1 + (i % SIDE)));
        if (i % 8 === 0) await settle();
      }
      await settle();
      t.equal(s.c.far.held.length, MAX_BUSY_LINK_BUFFERS, 'so many buffers are busy, and no more');
      t.equal(s.c.far.buffers.size, MAX_BUSY_LINK_BUFFERS);
      t.equal(s.at(surface).commits, MAX_BUSY_LINK_BUFFERS);
      t.equal(s.value(surface), MAX_BUSY_LINK_BUFFERS, 'what it holds was not touched');
      t.same(s.released, buffers.slice(0, -1), 'the application has all but its last buffer back');
      t.equal(s.c.connection.counters.held, 1);
      await s.goOn();
      await s.release();
      t.equal(s.value(surface), FRAMES, 'the last picture is shown');
      t.same(s.released, buffers);
      s.draw(surface, 99);
      await settle();
      t.equal(s.value(surface), 99, 'and the next one at once');
      s.fine();
    });
  }
}

t.test('a program with one buffer waits for it, and nothing else of its connection does', async t => {
  const s = await Scene.open(t);
  const [surface, other] = [await s.surface(), await s.surface()];
  await s.fill(surface);
  const buffer = s.draw(surface, 50);
  s.draw(other, 60);
  await s.c.app.roundtrip();
  t.notOk(s.released.includes(buffer), 'its buffer is busy, as with the compositor itself');
  t.equal(s.value(other), 60, 'another surface shows what was drawn after');
  await s.release();
  t.ok(s.released.includes(buffer));
  t.equal(s.value(surface), 50);
  s.fine();
});

t.test('a buffer that is destroyed while its commit waits is shown', async t => {
  const s = await Scene.open(t);
  const surface = await s.surface();
  await s.fill(surface);
  s.c.app.say(s.draw(surface, 50), 'destroy');
  s.c.app.say(s.draw(surface, 51), 'destroy');
  await settle();
  await s.release();
  t.equal(s.value(surface), 51);
  t.equal(s.c.app.types.get(s.buffer(1)), 'wl_buffer');
  s.fine();
});

t.test('what was said arrives in order, commits that say nothing of their own left out', async t => {
  const s = await Scene.open(t);
  const { app } = s.c;
  const surface = await s.surface();
  const viewport = app.make(s.bind('wp_viewporter', 1), 'get_viewport', ['new', surface.id]);
  const xdg = app.make(s.bind('xdg_wm_base', 3), 'get_xdg_surface', ['new', surface.id]);
  const toplevel = app.make(xdg, 'get_toplevel');
  await s.fill(surface);
  const since = s.received;
  const region = (): void => {
    const id = app.make(s.c.factory, 'create_region');
    app.say(id, 'add', [0, 0, 4, 4]);
    s.say(surface, 'set_opaque_region', [id]);
    app.say(id, 'subtract', [0, 0, 1, 1]);
    s.say(surface, 'set_input_region', [id]);
    app.say(id, 'destroy');
  };
  for (const scale of [1, 2]) {
    app.say(xdg, 'ack_configure', [scale]);
    app.say(xdg, 'set_window_geometry', [0, 0, scale, scale]);
    app.say(toplevel, 'set_min_size', [scale, scale]);
    region();
    s.say(surface, 'set_buffer_scale', [scale]);
    s.say(surface, 'set_buffer_transform', [scale]);
    app.say(viewport, 'set_destination', [scale, scale]);
    app.make(surface.id, 'frame');
    s.draw(surface, 50 + scale);
  }
  app.say(xdg, 'ack_configure', [3]); // for a commit that does not come yet
  await settle();
  const before = s.receivedSince(since).map(received => received.name);
  t.notOk(before.includes('wl_surface.commit'));
  t.equal(before.filter(name => name === 'xdg_surface.ack_configure').length, 2, 'the next state waits for the commit');
  await s.release();
  const received = s.receivedSince(since);
  const names = received.map(({ name }) => name);
  const state = [
    'xdg_surface.ack_configure',
    'xdg_surface.set_window_geometry',
    'xdg_toplevel.set_min_size',
    ...['wl_surface.set_opaque_region', 'wl_region.subtract'],
    ...['wl_surface.set_input_region', 'wl_region.destroy'],
    ...['wl_surface.set_buffer_scale', 'wl_surface.set_buffer_transform', 'wp_viewport.set_destination'],
    'wl_surface.frame',
    'wl_surface.damage_buffer',
  ];
  t.same(
    names.filter(name => !/create_region|region\.add|buffer\.destroy|attach/.test(name)),
    [...state, ...state, 'wl_surface.commit', 'xdg_surface.ack_configure'],
  );
  t.equal(names.filter(name => name === 'wl_surface.attach').length, 1);
  t.equal(s.value(surface), 52);
  for (const callback of s.c.far.peer.all('wl_surface.frame'))
    s.c.far.peer.say(callback.args[0] as number, 'done', [7]);
  await settle();
  t.equal(app.all('wl_callback.done').length, 2, 'both frames are told');
  s.fine();
});

t.test('the time of a frame that was replaced is none', async t => {
  const s = await Scene.open(t);
  const { app, far } = s.c;
  const presentation = s.bind('wp_presentation', 2);
  const surface = await s.surface();
  const feedback = (): number => app.make(presentation, 'feedback', [surface.id, 'new']);
  await s.fill(surface);
  const asked = [50, 51, 52].map(value => {
    const object = feedback();
    s.draw(surface, value);
    return object;
  });
  await settle();
  await s.release();
  t.equal(s.value(surface), 52);
  for (const { args } of far.peer.all('wp_presentation.feedback')) {
    far.peer.say(args[1] as number, 'presented', [0, 1, 2, 3, 0, 0, 1]);
    far.peer.say(1, 'delete_id', [args[1]]);
  }
  await settle();
  t.same(
    app.all('wp_presentation_feedback.discarded').map(({ id }) => id),
    asked.slice(0, 2),
  );
  t.same(
    app.all('wp_presentation_feedback.presented').map(({ id }) => id),
    asked.slice(2),
  );
  s.fine();
});

for (const version of [4, 5]) {
  t.test(`offsets of commits that were replaced are added up: wl_surface ${version}`, async t => {
    const s = await Scene.open(t);
    const factory = s.c.app.bind(s.c.registry, 1, 'wl_compositor', version);
    const surface = await s.surface(factory);
    await s.fill(surface);
    const since = s.received;
    for (const [x, y] of [
      [1, 2],
      [10, 20],
      [100, 200],
    ] as const) {
      s.say(surface, 'attach', [s.buffer(50), version < 5 ? x : 0, version < 5 ? y : 0]);
      if (version >= 5) s.say(surface, 'offset', [x, y]);
      s.say(surface, 'damage_buffer', [0, 0, SIDE, SIDE]);
      s.say(surface, 'commit');
    }
    await settle();
    await s.release();
    const last = s
      .receivedSince(since)
      .findLast(({ name }) => name === (version < 5 ? 'wl_surface.attach' : 'wl_surface.offset'))!;
    t.same(last.args.slice(-2), [111, 222]);
    s.say(surface, version < 5 ? 'attach' : 'offset', version < 5 ? [s.buffer(51), 3, 4] : [3, 4]);
    if (version >= 5) s.say(surface, 'attach', [s.buffer(51), 0, 0]);
    s.say(surface, 'commit');
    await settle();
    t.same(s.c.far.peer.last(version < 5 ? 'wl_surface.attach' : 'wl_surface.offset').args.slice(-2), [3, 4]);
    s.fine();
  });
}

t.test('damage in surface units is not lost where the scale is another by then', async t => {
  const s = await Scene.open(t);
  const surface = await s.surface();
  await s.fill(surface);
  for (const scale of [1, 2]) {
    s.say(surface, 'set_buffer_scale', [scale]);
    s.say(surface, 'attach', [s.buffer(50 + scale), 0, 0]);
    s.say(surface, 'damage', [0, 0, SIDE / scale, SIDE / scale]);
    s.say(surface, 'commit');
  }
  await settle();
  await s.release();
  const all = s.c.far.peer.all('wl_surface.damage').map(({ args }) => args[2]);
  t.ok(all.includes(0x7fffffff), 'the compositor is told that all of it is another');
  t.equal(s.value(surface), 52);
  s.fine();
});

t.test('a commit without pixels passes unless one before it waits', async t => {
  const s = await Scene.open(t);
  const surface = await s.surface();
  await s.fill(surface);
  s.say(surface, 'set_buffer_scale', [2]);
  s.say(surface, 'commit');
  await settle();
  t.equal(s.at(surface).commits, MAX_BUSY_LINK_BUFFERS + 1);
  s.draw(surface, 50);
  s.say(surface, 'set_buffer_scale', [1]);
  s.say(surface, 'commit');
  await settle();
  t.equal(s.at(surface).commits, MAX_BUSY_LINK_BUFFERS + 1);
  await s.release();
  t.equal(s.at(surface).commits, MAX_BUSY_LINK_BUFFERS + 2);
  t.equal(s.value(surface), 50);
  s.fine();
});

t.test('a surface that is to show nothing does not wait, and the buffer in its place is free', async t => {
  const s = await Scene.open(t);
  const surface = await s.surface();
  await s.fill(surface);
  const buffer = s.draw(surface, 50);
  s.say(surface, 'attach', [undefined, 0, 0]);
  s.say(surface, 'commit');
  await settle();
  t.equal(s.at(surface).shown, undefined);
  t.ok(s.released.includes(buffer));
  s.fine();
});

/** A surface with a subsurface. */
async function family(s: Scene): Promise<{ parent: Surface; child: Surface; subsurface: number }> {
  const [parent, child] = [await s.surface(), await s.surface()];
  const subsurface = s.c.app.make(s.bind('wl_subcompositor', 1), 'get_subsurface', ['new', child.id, parent.id]);
  await settle();
  return { parent, child, subsurface };
}

t.test('a parent shows its synchronized subsurface with the commits that came before its own', async t => {
  const s = await Scene.open(t);
  const { parent, child } = await family(s);
  await s.fill(child);
  s.answers = false;
  for (let i = 0; i < FRAMES; i++) {
    s.draw(child, 50 + i);
    s.say(parent, 'commit');
    await settle(4);
  }
  await settle();
  t.equal(s.at(parent).commits, 0, 'it waits for the subsurface’s commit');
  t.equal(
    s.at(child).commits,
    MAX_BUSY_LINK_BUFFERS,
    'and that one for a release, at a compositor that answers nothing',
  );
  t.equal(s.c.far.peer.all('wl_display.sync').length, 2, 'which is asked once whether it reads');

  const since = s.received;
  s.answers = true;
  await s.goOn();
  const commits = s.receivedSince(since).filter(({ name }) => name === 'wl_surface.commit');
  t.same(
    commits.map(({ id }) => id),
    [child.theirs, parent.theirs],
    'one that reads gets both, in order, with one buffer more than it has released',
  );
  t.equal(s.value(child), 50 + FRAMES - 1);
  t.equal(s.c.far.held.length, MAX_BUSY_LINK_BUFFERS + 1);
  s.fine();
});

t.test(
  'frames of a synchronized subsurface whose parent does not commit are bounded, and the parent goes on',
  async t => {
    const s = await Scene.open(t);
    const { parent, child } = await family(s);
    for (let i = 1; i <= FRAMES; i++) s.draw(child, i);
    await settle();
    t.equal(s.c.far.buffers.size, MAX_BUSY_LINK_BUFFERS);
    const other = await s.surface();
    s.draw(other, 70);
    await s.c.app.roundtrip();
    t.equal(s.value(other), 70);
    s.draw(parent, 80);
    await settle();
    await s.c.app.roundtrip();
    t.equal(s.value(parent), 80, 'its commit presses');
    t.equal(s.value(child), FRAMES);
    s.fine();
  },
);

t.test('a child’s commit that comes after its parent’s is not shown with it', async t => {
  const s = await Scene.open(t);
  const { parent, child } = await family(s);
  await s.fill(child);
  s.answers = false;
  s.draw(child, 50);
  s.say(parent, 'commit');
  s.draw(child, 51);
  await settle();
  const since = s.received;
  await s.goOn();
  t.same(
    s
      .receivedSince(since)
      .filter(({ name }) => name === 'wl_surface.commit')
      .map(({ id }) => id),
    [child.theirs, parent.theirs],
  );
  t.equal(s.value(child), 50);
  await s.release();
  t.equal(s.value(child), 51);
  s.fine();
});

t.test(`any order of commits, releases and answers (seed ${SEED})`, async t => {
  const random = new Random(SEED);
  for (let round = 0; round < 20; round++) {
    const s = await Scene.open(t);
    const { parent, child } = await family(s);
    const grandchild = await s.surface();
    s.c.app.make(s.bind('wl_subcompositor', 1), 'get_subsurface', ['new', grandchild.id, child.id]);
    const tree = [parent, child, grandchild];
    /** What each surface's last commit drew, in the order of the tree. */
    let drawn: (number | undefined)[] = [undefined, undefined, undefined];
    /** By what a parent drew: what its subsurface had drawn before. */
    const below = [new Map<number | undefined, unknown>(), new Map<number | undefined, unknown>()];
    const faults: string[] = [];
    const answer = s.c.far.peer.answer;
    s.c.far.peer.answer = received => {
      answer(received);
      if (received.name !== 'wl_surface.commit') return;
      const at = tree.findIndex(({ theirs }) => theirs === received.id);
      if (at === 2) return;
      const [value, shown] = [s.value(tree[at]!), s.value(tree[at + 1]!)];
      if (below[at]!.get(value) !== shown) faults.push(`${value} over ${shown}`);
    };
    for (let value = 1; value <= 120; value++) {
      const at = random.below(3);
      if (at < 2) below[at]!.set(value, drawn[at + 1]);
      drawn = drawn.with(at, value);
      s.draw(tree[at]!, value);
      s.answers = random.below(3) > 0;
      if (s.answers && random.below(3) === 0) await s.goOn();
      if (random.below(6) === 0) await settle();
      const idle = s.idle();
      if (random.below(4) === 0 && idle.length > 0) s.c.far.release(random.pick(idle));
    }
    await s.goOn();
    for (let i = 0; i < 12; i++) await s.release();
    t.same(faults, [], 'no parent is shown with another picture of its subsurface than it was committed with');
    t.same(
      tree.map(surface => s.value(surface)),
      drawn,
    );
    s.fine();
  }
});

t.test('commits of a subsurface that is not synchronized are its own', async t => {
  const s = await Scene.open(t);
  const { parent, child, subsurface } = await family(s);
  s.c.app.say(subsurface, 'set_desync');
  await s.fill(child);
  s.draw(child, 50);
  s.draw(parent, 60);
  await settle();
  t.equal(s.value(parent), 60);
  t.equal(s.value(child), MAX_BUSY_LINK_BUFFERS);
  s.fine();
});

t.test('subsurfaces in a loop are not followed', async t => {
  const s = await Scene.open(t);
  const { parent, child } = await family(s);
  const subcompositor = s.bind('wl_subcompositor', 1);
  s.c.app.make(subcompositor, 'get_subsurface', ['new', parent.id, child.id]);
  s.c.app.make(subcompositor, 'get_subsurface', ['new', parent.id, parent.id]);
  await s.fill(child);
  s.draw(child, 50);
  s.draw(parent, 60);
  await s.c.app.roundtrip();
  s.fine();
});

t.test('what does not take effect with a commit waits for no release where the compositor reads', async t => {
  const s = await Scene.open(t);
  const { app, far } = s.c;
  const wm = s.bind('xdg_wm_base', 3);
  const surface = await s.surface();
  const xdg = app.make(wm, 'get_xdg_surface', ['new', surface.id]);
  const toplevel = app.make(xdg, 'get_toplevel');
  await s.fill(surface);
  s.answers = false;
  s.draw(surface, 50);
  const since = s.received;
  const popup = await (async () => {
    const other = await s.surface();
    const theirs = app.make(wm, 'get_xdg_surface', ['new', other.id]);
    const positioner = app.make(wm, 'create_positioner');
    app.say(positioner, 'set_size', [5, 5]);
    const popup = app.make(theirs, 'get_popup', ['new', xdg, positioner]);
    app.say(positioner, 'set_size', [6, 6]);
    app.say(positioner, 'destroy');
    s.say(other, 'commit');
    app.say(popup, 'grab', [app.bind(s.c.registry, 3, 'wl_seat', 7), 5]);
    return { other, popup, theirs };
  })();
  await settle();
  t.same(far.peer.all('xdg_surface.get_popup'), [], 'a popup of a window waits for what the window is to show');
  t.equal(s.at(popup.other).commits, 0, 'and so does all that is said about the popup');
  await s.goOn();
  const names = s.receivedSince(since).map(({ name }) => name);
  t.same(
    names.filter(name => /commit|popup|positioner/.test(name)),
    [
      'xdg_wm_base.create_positioner',
      'xdg_positioner.set_size',
      'wl_surface.commit',
      ...['xdg_surface.get_popup', 'xdg_positioner.set_size', 'xdg_positioner.destroy'],
      ...['wl_surface.commit', 'xdg_popup.grab'],
    ],
  );
  t.equal(s.value(surface), 50);
  app.say(popup.popup, 'destroy');
  app.say(popup.theirs, 'destroy');

  s.draw(surface, 51);
  app.say(toplevel, 'destroy');
  app.say(xdg, 'destroy');
  s.say(surface, 'destroy');
  await settle();
  await s.c.app.roundtrip();
  t.same(
    s.receivedSince(since).filter(({ name }) => name === 'wl_surface.destroy').length,
    1,
    'nor does a window’s end',
  );
  for (const id of [...far.held]) far.release(id);
  await settle();
  t.equal(far.buffers.size, 0, 'and no buffer is left');
  s.fine();
});

t.test('an object that is made by a held request is spoken to in order', async t => {
  const s = await Scene.open(t);
  const { app, far } = s.c;
  const { parent, child } = await family(s);
  const viewporter = s.bind('wp_viewporter', 1);
  await s.fill(child);
  s.answers = false;
  s.draw(child, 50);
  const viewport = app.make(viewporter, 'get_viewport', ['new', child.id]);
  app.say(viewport, 'set_destination', [1, 1]);
  s.say(parent, 'commit');
  s.draw(child, 51);
  app.say(viewport, 'set_destination', [2, 2]);
  await settle();
  const told = (): unknown[] => far.peer.all('wp_viewport.set_destination').map(({ args }) => args[0]);
  t.same(told(), []);
  far.release(s.idle()[0]!);
  await settle();
  t.equal(s.value(child), 50, 'the first has gone on');
  app.say(viewport, 'set_destination', [3, 3]);
  app.say(viewport, 'destroy');
  await settle();
  t.same(told(), [1], 'and the second waits, with what was said behind it');
  await s.release();
  t.same(told(), [1, 2, 3]);
  t.equal(far.peer.all('wp_viewport.destroy').length, 1);
  s.fine();
});

t.test('two windows whose requests come to depend on each other', async t => {
  const s = await Scene.open(t);
  const { app } = s.c;
  const wm = s.bind('xdg_wm_base', 3);
  const windows = [await s.surface(), await s.surface()] as const;
  const toplevels = windows.map(({ id }) => app.make(app.make(wm, 'get_xdg_surface', ['new', id]), 'get_toplevel'));
  for (const window of windows) await s.fill(window);
  s.answers = false;
  for (const window of windows) s.draw(window, 50);
  app.say(toplevels[0]!, 'set_title', ['a']);
  app.say(toplevels[1]!, 'set_title', ['b']);
  app.say(toplevels[0]!, 'set_parent', [toplevels[1]!]);
  await settle();
  t.same(s.c.far.peer.all('xdg_toplevel.set_title'), []);
  await s.goOn();
  t.same(
    s.c.far.peer.all('xdg_toplevel.set_title').map(({ args }) => args[0]),
    ['a', 'b'],
  );
  t.equal(s.c.far.peer.all('xdg_toplevel.set_parent').length, 1);
  s.fine();
});

t.test(`${MAX_HELD_BYTES} bytes are held; beyond, the connection waits`, async t => {
  const s = await Scene.open(t);
  const [surface, other] = [await s.surface(), await s.surface()];
  await s.fill(surface);
  s.answers = false;
  s.draw(surface, 50);
  const each = 24; // wl_surface.damage_buffer
  const room = Math.floor((MAX_HELD_BYTES - 8) / each);
  for (let i = 0; i < room; i++) s.say(surface, 'damage_buffer', [0, 0, 1, 1]);
  s.draw(other, 60);
  await settle(60);
  t.equal(s.value(other), 60, 'up to there all else goes on');
  s.say(surface, 'damage_buffer', [0, 0, 1, 1]);
  s.draw(other, 61);
  await settle(60);
  t.equal(s.value(other), 60, 'beyond, it waits');
  await s.goOn();
  await settle(60);
  t.equal(s.value(other), 61, 'for as long as the compositor does not answer');
  t.equal(s.value(surface), 50);
  s.fine();
});

t.test(`${MAX_HELD_COMMITS} commits of a window’s surfaces are held; beyond, the connection waits`, async t => {
  const s = await Scene.open(t);
  const { parent, child } = await family(s);
  const subcompositor = s.bind('wl_subcompositor', 1);
  const other = await s.surface();
  await s.fill(child);
  s.answers = false;
  s.draw(child, 50);
  s.say(parent, 'commit'); // so that those of its other subsurfaces wait behind it
  const siblings: Surface[] = [];
  for (let i = 2; i < MAX_HELD_COMMITS + 1; i++) {
    const sibling = await s.surface();
    s.c.app.make(subcompositor, 'get_subsurface', ['new', sibling.id, parent.id]);
    siblings.push(sibling);
  }
  for (const sibling of siblings.slice(1)) s.say(sibling, 'commit');
  s.draw(other, 60);
  await settle(60);
  t.equal(s.value(other), 60, 'up to there all else goes on');
  s.say(siblings[0]!, 'commit');
  s.say(siblings[0]!, 'commit');
  s.draw(other, 61);
  await settle(60);
  t.equal(s.value(other), 60, 'beyond, it waits');
  await s.goOn();
  await settle(60);
  t.equal(s.value(other), 61);
  t.ok(siblings.every(sibling => s.at(sibling).commits > 0));
  s.fine();
});

t.test('a mistake in a request that waits is told when it is dealt with', async t => {
  const s = await Scene.open(t);
  const surface = await s.surface();
  await s.fill(surface);
  s.draw(surface, 50);
  s.say(surface, 'attach', [s.buffer(1), 5, 5]); // invalid from version 5 on
  s.say(surface, 'commit');
  await settle();
  await s.release();
  t.equal(s.c.app.last('wl_display.error').args[0], surface.id);
});

t.test('an application that leaves while its commits wait leaves nothing behind', async t => {
  const s = await Scene.open(t);
  const surface = await s.surface();
  await s.fill(surface);
  for (let i = 0; i < 5; i++) s.draw(surface, 50);
  s.c.app.make(surface.id, 'frame');
  await settle();
  s.c.app.close();
  await settle();
  t.equal(s.c.ends.length, 1);
  await s.release();
});
