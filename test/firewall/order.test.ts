/**
 * In which order a compositor destroys what a client leaves, whichever side ends the connection: by ascending ids, as
 * libwayland does. So each object must have its id below all that it needs, however long its client lives and whatever it opens.
 */
import t, { type Test } from 'tap';
import { MAX_DEPENDENTS_PER_CLIENT } from '../../src/firewall/order.js';
import { WlDisplayError } from '../../src/wayland/protocols/wayland.js';
import { settle, type Received, type Peer } from '../relay/peer.js';
import { walled } from './walled.js';

/** Tens of thousands of messages, on a machine that is busy. */
const LONG = { timeout: 120_000 };

/** Follows what a compositor receives, and notes each object whose id is not below those that it needs. */
class Judge {
  readonly faults: string[] = [];
  /** Role objects by their xdg_surface, and those by their surface. */
  readonly #roles = new Map<number, number>();
  readonly #shells = new Map<number, number>();

  constructor(readonly compositor: Peer) {
    const { answer } = compositor;
    compositor.answer = received => {
      this.#judge(received);
      answer(received);
    };
  }

  #judge({ id, name, args }: Received): void {
    const [made, first, second] = args as number[];
    switch (name) {
      case 'xdg_wm_base.get_xdg_surface':
        this.#shells.set(first!, made!);
        return this.#below(name, made!, id, first!);
      case 'wl_subcompositor.get_subsurface':
        return this.#below(name, made!, first!, second!);
      case 'zxdg_decoration_manager_v1.get_toplevel_decoration':
      case 'zwp_relative_pointer_manager_v1.get_relative_pointer':
        return this.#below(name, made!, first!);
      case 'zxdg_imported_v2.set_parent_of':
        return this.#below(name, id, made!, this.#roles.get(this.#shells.get(made!)!)!);
      case 'xdg_surface.get_toplevel':
        this.#roles.set(id, made!);
        return this.#below(name, made!, id);
      case 'xdg_surface.get_popup':
        this.#roles.set(id, made!);
        return this.#below(name, made!, id, this.#roles.get(first!)!);
    }
  }

  #below(name: string, made: number, ...needs: number[]): void {
    for (const need of needs) if (made >= need) this.faults.push(`${name}: ${made} is not below ${need}`);
  }
}

/** A client behind a firewall whose compositor is judged. */
async function judged(t: Test) {
  const w = await walled(t);
  const judge = new Judge(w.compositor);
  const { client, compositor } = w;
  return {
    ...w,
    /** Waits until the compositor has received all, and finds nothing wrong. */
    async proves(what: string): Promise<void> {
      await client.roundtrip();
      await settle(8);
      t.equal(client.ended, false, `${what}: the client lives on`);
      t.same(judge.faults, [], `${what}: whatever needs another is destroyed before it`);
      t.same(compositor.faults, [], 'and every id was one that the compositor takes');
    },
    subsurface: (child: number, parent: number): number =>
      client.make(w.bound.wl_subcompositor, 'get_subsurface', ['new', child, parent]),
    decoration: (toplevel: number): number =>
      client.make(w.bound.zxdg_decoration_manager_v1, 'get_toplevel_decoration', ['new', toplevel]),
    close(...objects: number[]): void {
      for (const object of objects) client.say(object, 'destroy');
    },
  };
}

const errorOf = (peer: Peer): readonly unknown[] => peer.all('wl_display.error').at(-1)?.args ?? [];

/** Numbers that look random, the same in every run. */
function draws(seed: number): (below: number) => number {
  let state = seed;
  return below => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >> 8) % below;
  };
}

t.test('a window with all that belongs to it', async t => {
  const { bound, client, window, surface, subsurface, decoration, show, popup, pointer, proves } = await judged(t);
  // What they need is older, or younger, than other objects with their ids.
  const [one, two, three] = [surface(), surface(), surface()];
  const w = window();
  decoration(w.toplevel);
  subsurface(three, two);
  subsurface(one, w.surface);
  subsurface(two, one);
  await show(w);
  let at = popup(w.xdg);
  for (let i = 0; i < 20; i++) {
    await show(at);
    at = popup(at.xdg);
  }
  client.make(bound.zwp_relative_pointer_manager_v1, 'get_relative_pointer', ['new', pointer]);
  await proves('a window with popups and subsurfaces');
});

t.test('10,000 popups in turn, of a window that is the oldest of many', LONG, async t => {
  const { window, show, popup, close, proves, client, surface, subsurface } = await judged(t);
  // It is made among 500 others, and they all leave it alone.
  const crowd = Array.from({ length: 500 }, () => window());
  const old = window();
  for (const other of crowd) close(other.toplevel, other.xdg, other.surface);
  await show(old);
  const parts = Array.from({ length: 100 }, () => surface());
  for (const part of parts) subsurface(part, old.surface);
  await client.roundtrip();
  for (let i = 0; i < 10_000; i++) {
    const one = popup(old.xdg);
    const another = i % 10 === 0 ? window() : undefined;
    close(one.popup, one.xdg, one.surface);
    if (another !== undefined) close(another.toplevel, another.xdg, another.surface);
    if (i % 500 === 0) await client.roundtrip();
  }
  await proves('10,000 popups');
});

t.test('1,000 windows, opened and closed in random order', LONG, async t => {
  const { window, decoration, surface, subsurface, close, proves, client } = await judged(t);
  const draw = draws(1);
  const open: number[][] = [];
  let opened = 0;
  for (let step = 0; opened < 1000 || open.length > 0; step++) {
    if (opened < 1000 && (open.length === 0 || draw(100) < 55)) {
      const w = window();
      const parts = Array.from({ length: draw(8) }, () => {
        const part = surface();
        return [subsurface(part, w.surface), part];
      });
      open.push([decoration(w.toplevel), ...parts.flat(), w.toplevel, w.xdg, w.surface]);
      opened += 1;
    } else {
      close(...open.splice(draw(open.length), 1)[0]!);
    }
    if (step % 100 === 0) await client.roundtrip();
  }
  await proves('1,000 windows');
});

t.test('an import goes before the windows that it is a parent of', async t => {
  const { bound, client, compositor, window, surface, subsurface, close, proves } = await judged(t);
  const told = (): number => compositor.all('zxdg_imported_v2.set_parent_of').length;
  const adopt = (child: { readonly surface: number }): void => {
    const imported = client.make(bound.zxdg_importer_v2, 'import_toplevel', ['new', 'a handle']);
    client.say(imported, 'set_parent_of', [child.surface]);
  };
  const [first, second] = [window(), window()];
  adopt(second);
  await proves('an import that is younger');
  t.equal(told(), 1);

  // Where all below is in use, what is free is above: an import of such an id adopts only what is above that.
  const rest = MAX_DEPENDENTS_PER_CLIENT - 5;
  const parent = surface();
  for (let i = 0; i < rest; i++) subsurface(surface(), parent);
  close(first.toplevel);
  await client.roundtrip();
  adopt(second);
  await proves('an import that got an id above');
  t.equal(told(), 1, 'the compositor is not told');
});

t.test('a client has so many objects that need others', async t => {
  const { client, surface, compositor, subsurface, close, pointer, bound } = await judged(t);
  const relative = (): number =>
    client.make(bound.zwp_relative_pointer_manager_v1, 'get_relative_pointer', ['new', pointer]);
  const parent = surface();
  const own = Array.from({ length: MAX_DEPENDENTS_PER_CLIENT }, () => surface());
  const subsurfaces = own.map(child => subsurface(child, parent));
  await client.roundtrip();
  t.same(errorOf(client), [], `${MAX_DEPENDENTS_PER_CLIENT} are served`);
  close(subsurfaces[7]!);
  await client.roundtrip();
  subsurface(own[7]!, parent);
  await client.roundtrip();
  t.same(errorOf(client), [], 'the place of one that is gone is another’s');
  t.same(compositor.faults, []);

  relative();
  await client.isEnded();
  const [, code, text] = errorOf(client);
  t.equal(code, WlDisplayError.no_memory);
  t.match(text, `at most ${MAX_DEPENDENTS_PER_CLIENT} objects`, 'which is what the client is told');
});
