/** What waits while the user types in another VM's window, and for how long. Time is the test's. */
import t, { type Test } from 'tap';
import { Focus, focusConcern, MAX_HOLD_MS, TYPING_MS, type Clock } from '../../src/firewall/focus.js';
import { firewall, FIREWALL, SharedFirewall, VmFirewall } from '../../src/firewall/firewall.js';
import { firstCommit, positionerOf } from '../relay/manners.js';
import { settle, type Peer } from '../relay/peer.js';
import { between } from '../relay/relay-between.js';

/** Time that passes when it is told to. */
class TestClock implements Clock {
  #now = 1_000;
  readonly #due = new Set<{ readonly at: number; readonly run: () => void }>();

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run };
    this.#due.add(timer);
    return () => this.#due.delete(timer);
  }

  pass(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const [next] = [...this.#due].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#due.delete(next);
      this.#now = next.at;
      next.run();
    }
    this.#now = end;
  }
}

const NAMES = ['wl_compositor', 'xdg_wm_base', 'wl_seat', 'wl_shm', 'xdg_activation_v1', 'wp_viewporter'] as const;
const VERSIONS: Readonly<Record<string, number>> = { wl_compositor: 6, xdg_wm_base: 3, wl_seat: 7 };

/** A client of a VM: what it may say, and what the user does to it. */
async function client(t: Test, vm: string, focus: Focus, hold = true) {
  const wall = firewall(new VmFirewall(vm), new SharedFirewall());
  const b = await between(t, { concerns: [...wall.concerns, focusConcern(vm, focus, hold, FIREWALL)] });
  const { client, compositor } = b;
  const bound = Object.fromEntries(
    NAMES.map((name, i) => [name, client.bind(b.registry, i + 1, name, VERSIONS[name] ?? 1)]),
  ) as Record<(typeof NAMES)[number], number>;
  const theirs = (name: string): number => compositor.last(name).args[0] as number;
  const keyboard = client.make(bound.wl_seat, 'get_keyboard');
  const pointer = client.make(bound.wl_seat, 'get_pointer');
  const spp = client.make(
    client.bind(b.registry, 9, 'wp_single_pixel_buffer_manager_v1', 1),
    'create_u32_rgba_buffer',
    ['new', 0, 0, 0, 0],
  );
  await settle();
  const theirKeyboard = theirs('wl_seat.get_keyboard');
  const theirPointer = theirs('wl_seat.get_pointer');
  let serial = 0;
  return {
    ...b,
    bound,
    keyboard,
    pointer,
    buffer: spp,
    key: async (state = 1): Promise<void> => {
      compositor.say(theirKeyboard, 'key', [++serial, 0, 30, state]);
      await settle();
    },
    click: async (state = 1): Promise<number> => {
      compositor.say(theirPointer, 'button', [++serial, 0, 0x110, state]);
      await settle();
      return serial;
    },
    /** A window up to its first frame, which is not attached yet. */
    window: async (): Promise<Window> => {
      const surface = client.make(bound.wl_compositor, 'create_surface');
      const xdg = client.make(bound.xdg_wm_base, 'get_xdg_surface', ['new', surface]);
      const toplevel = client.make(xdg, 'get_toplevel');
      await firstCommit(client, surface, xdg);
      await settle();
      return { surface, xdg, toplevel };
    },
    show: async ({ surface }: Window): Promise<void> => {
      client.say(surface, 'attach', [spp, 0, 0]);
      client.say(surface, 'commit');
      await settle();
    },
    commits: (): number => compositor.all('wl_surface.commit').length,
  };
}

interface Window {
  readonly surface: number;
  readonly xdg: number;
  readonly toplevel: number;
}

/** Two VMs' clients; the user has just typed into "private". */
async function typing(t: Test, hold = true) {
  const clock = new TestClock();
  const focus = new Focus(clock);
  const victim = await client(t, 'private', focus);
  const hostile = await client(t, 'work', focus, hold);
  const pass = async (ms: number): Promise<void> => {
    clock.pass(ms);
    await settle();
  };
  await victim.key();
  return { clock, focus, victim, hostile, pass };
}

const count = (peer: Peer, name: string): number => peer.all(name).length;

t.test('a window that comes meanwhile waits until the user pauses', async t => {
  const { hostile, pass, focus } = await typing(t);
  const window = await hostile.window();
  t.equal(hostile.commits(), 1, 'nothing is shown by the first commit');
  await hostile.show(window);
  t.equal(hostile.commits(), 1);
  await pass(TYPING_MS - 1);
  t.equal(hostile.commits(), 1);
  await pass(1);
  t.equal(hostile.commits(), 2, 'now');
  t.equal(focus.held, 0);
  await hostile.show(window);
  t.equal(hostile.commits(), 3, 'what is shown goes on');
  t.same([hostile.ends, hostile.compositor.faults], [[], []]);
});

t.test('while the user types on it waits on, and not for ever', async t => {
  const { hostile, victim, pass } = await typing(t);
  await hostile.show(await hostile.window());
  for (let waited = 0; waited < MAX_HOLD_MS - 100; waited += 100) {
    await pass(100);
    await victim.key();
  }
  t.equal(hostile.commits(), 1);
  await pass(100);
  t.equal(hostile.commits(), 2);
});

t.test('who does not type, or has paused, sees it at once', async t => {
  const { hostile, victim, pass } = await typing(t);
  await pass(TYPING_MS);
  await hostile.show(await hostile.window());
  t.equal(hostile.commits(), 2);
  await victim.key(0);
  await hostile.show(await hostile.window());
  t.equal(hostile.commits(), 4, 'a key that goes up is no typing');
  await victim.click();
  await hostile.show(await hostile.window());
  t.equal(hostile.commits(), 6, 'nor is a click');
});

t.test('a window of the VM that is typed into does not wait', async t => {
  const { victim } = await typing(t);
  await victim.show(await victim.window());
  t.equal(victim.commits(), 2);
});

t.test('nor one of the VM in which the user has acted last', async t => {
  const { hostile } = await typing(t);
  await hostile.show(await hostile.window());
  t.equal(hostile.commits(), 1);
  await hostile.click();
  t.equal(hostile.commits(), 2, 'what waited comes then');
  await hostile.show(await hostile.window());
  t.equal(hostile.commits(), 4);
});

t.test('a click elsewhere right after typing holds nobody up who was typed into', async t => {
  const { hostile, victim } = await typing(t);
  await hostile.click();
  await victim.show(await victim.window());
  t.equal(victim.commits(), 2);
});

t.test('where the policy says so, nothing waits', async t => {
  const { hostile } = await typing(t, false);
  await hostile.show(await hostile.window());
  t.equal(hostile.commits(), 2);
});

t.test('what a client draws before its first frame is shown waits with all behind it', async t => {
  const { hostile, pass } = await typing(t);
  const window = await hostile.window();
  const other = await hostile.window();
  await hostile.show(window);
  hostile.client.say(other.surface, 'commit');
  await settle();
  t.equal(hostile.commits(), 3, 'its other windows go on');
  const { client, compositor } = hostile;
  client.say(window.surface, 'frame', [client.newId()]);
  client.say(window.surface, 'attach', [undefined, 0, 0]);
  client.say(window.surface, 'commit');
  await settle();
  t.equal(count(compositor, 'wl_surface.attach'), 1);
  await pass(TYPING_MS);
  t.same(
    compositor.received.slice(-4).map(({ name }) => name),
    ['wl_surface.frame', 'wl_surface.commit', 'wl_surface.attach', 'wl_surface.commit'],
    'in the order in which it was said',
  );
  t.same(compositor.faults, []);
});

t.test('a window that goes while it waits is not shown', async t => {
  const { hostile, pass, focus } = await typing(t);
  const window = await hostile.window();
  await hostile.show(window);
  t.equal(focus.held, 1);
  hostile.client.say(window.toplevel, 'destroy');
  await settle();
  t.equal(focus.held, 0);
  await pass(MAX_HOLD_MS);
  t.equal(hostile.commits(), 1);
  t.same([hostile.ends, hostile.compositor.faults], [[], []]);
});

t.test('one that was hidden waits anew, as does one whose surface becomes another window', async t => {
  const { hostile, victim, pass } = await typing(t);
  await pass(TYPING_MS);
  const window = await hostile.window();
  await hostile.show(window);
  hostile.client.say(window.surface, 'attach', [undefined, 0, 0]);
  hostile.client.say(window.surface, 'commit');
  await firstCommit(hostile.client, window.surface, window.xdg);
  await settle();
  const commits = hostile.commits();
  await victim.key();
  await hostile.show(window);
  t.equal(hostile.commits(), commits);
  await pass(TYPING_MS);
  t.equal(hostile.commits(), commits + 1);
  hostile.client.say(window.toplevel, 'destroy');
  const toplevel = hostile.client.make(window.xdg, 'get_toplevel');
  await firstCommit(hostile.client, window.surface, window.xdg);
  await settle();
  const before = hostile.commits();
  await victim.key();
  await hostile.show({ ...window, toplevel });
  t.equal(hostile.commits(), before);
});

t.test('a buffer that is destroyed before its commit shows nothing, or may: the next one waits too', async t => {
  const { hostile, victim, pass } = await typing(t);
  await pass(TYPING_MS);
  const window = await hostile.window();
  hostile.client.say(window.surface, 'attach', [hostile.buffer, 0, 0]);
  hostile.client.say(hostile.buffer, 'destroy');
  hostile.client.say(window.surface, 'commit');
  await settle();
  await victim.key();
  const commits = hostile.commits();
  const manager = hostile.client.bind(hostile.registry, 9, 'wp_single_pixel_buffer_manager_v1', 1);
  const buffer = hostile.client.make(manager, 'create_u32_rgba_buffer', ['new', 0, 0, 0, 0]);
  hostile.client.say(window.surface, 'attach', [buffer, 0, 0]);
  hostile.client.say(window.surface, 'commit');
  await settle();
  t.equal(hostile.commits(), commits);
});

t.test('filling the screen and being activated wait as well, the last wish of each', async t => {
  const { hostile, victim, pass } = await typing(t);
  await pass(TYPING_MS);
  const window = await hostile.window();
  await hostile.show(window);
  await victim.key();
  const { client, compositor, bound } = hostile;
  client.say(window.toplevel, 'set_fullscreen', [undefined]);
  client.say(bound.xdg_activation_v1, 'activate', ['first', window.surface]);
  client.say(bound.xdg_activation_v1, 'activate', ['second', window.surface]);
  await settle();
  t.equal(count(compositor, 'xdg_toplevel.set_fullscreen') + count(compositor, 'xdg_activation_v1.activate'), 0);
  await pass(TYPING_MS);
  t.equal(count(compositor, 'xdg_toplevel.set_fullscreen'), 1);
  t.same(
    compositor.all('xdg_activation_v1.activate').map(({ args }) => args[0]),
    ['second'],
  );
  await victim.key();
  client.say(window.toplevel, 'set_fullscreen', [undefined]);
  client.say(window.toplevel, 'unset_fullscreen');
  await settle();
  await pass(TYPING_MS);
  t.equal(count(compositor, 'xdg_toplevel.set_fullscreen'), 1, 'it does not want to any more');
  await victim.key();
  const second = await hostile.window();
  client.say(second.toplevel, 'set_fullscreen', [undefined]);
  await settle();
  t.equal(count(compositor, 'xdg_toplevel.set_fullscreen'), 2, 'one that is not shown yet waits with that');
  t.same([hostile.ends, compositor.faults], [[], []]);
});

t.test('a menu opens only where the user has acted last', async t => {
  const { hostile, victim } = await typing(t);
  const serial = await hostile.click();
  const window = await hostile.window();
  await hostile.show(window);
  const { client, bound, compositor } = hostile;
  const popup = async (): Promise<void> => {
    const positioner = positionerOf(client, bound.xdg_wm_base);
    const surface = client.make(bound.wl_compositor, 'create_surface');
    const xdg = client.make(bound.xdg_wm_base, 'get_xdg_surface', ['new', surface]);
    const menu = client.make(xdg, 'get_popup', ['new', window.xdg, positioner]);
    client.say(menu, 'grab', [bound.wl_seat, serial]);
    await settle();
  };
  await popup();
  t.equal(count(compositor, 'xdg_popup.grab'), 1);
  await victim.click();
  await popup();
  t.equal(count(compositor, 'xdg_popup.grab'), 1);
  t.equal(count(client, 'xdg_popup.popup_done'), 1);
  t.same(hostile.ends, []);
});

t.test('a popup of a window that waits is not asked for before', async t => {
  const { hostile, pass } = await typing(t);
  const window = await hostile.window();
  await hostile.show(window);
  const { client, bound, compositor } = hostile;
  const positioner = positionerOf(client, bound.xdg_wm_base);
  const surface = client.make(bound.wl_compositor, 'create_surface');
  const xdg = client.make(bound.xdg_wm_base, 'get_xdg_surface', ['new', surface]);
  client.make(xdg, 'get_popup', ['new', window.xdg, positioner]);
  await settle();
  t.equal(count(compositor, 'xdg_surface.get_popup'), 0);
  await pass(TYPING_MS);
  t.equal(hostile.commits(), 2);
  t.equal(count(compositor, 'xdg_surface.get_popup'), 1);
});

t.test('a client that leaves while its window waits', async t => {
  const { hostile, pass, focus } = await typing(t);
  await hostile.show(await hostile.window());
  hostile.client.close();
  await settle();
  await pass(MAX_HOLD_MS);
  t.equal(focus.held, 0);
  t.same(hostile.ends, [undefined]);
});
