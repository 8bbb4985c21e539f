/** What has to come first, on both sides of each rule: the firewall finds what is missing before a compositor has to. */
import t, { type Test } from 'tap';
import { MAX_PENDING_CONFIGURES } from '../../src/firewall/construction.js';
import { WlSeatCapability, WlSeatError, WlSubsurfaceError } from '../../src/wayland/protocols/wayland.js';
import { ZxdgToplevelDecorationV1Error } from '../../src/wayland/protocols/xdg-decoration-unstable-v1.js';
import { XdgPopupError, XdgSurfaceError, XdgWmBaseError } from '../../src/wayland/protocols/xdg-shell.js';
import { firstCommit, positionerOf } from '../relay/manners.js';
import { settle, type Received } from '../relay/peer.js';
import { madeBy } from '../relay/relay-between.js';
import { behindWall } from './walled.js';

const GLOBALS = [
  ['wl_compositor', 4],
  ['wl_subcompositor', 1],
  ['xdg_wm_base', 3],
  ['wp_single_pixel_buffer_manager_v1', 1],
  ['zxdg_decoration_manager_v1', 1],
  ['zxdg_exporter_v1', 1],
  ['zxdg_exporter_v2', 1],
  ['zxdg_importer_v1', 1],
  ['zxdg_importer_v2', 1],
] as const;

/** A window or popup; `role` is the toplevel or popup object. */
type Shell = Readonly<Record<'surface' | 'xdg' | 'role', number>>;

/** A client behind a firewall. */
async function walled(t: Test) {
  const b = await behindWall(t, GLOBALS);
  const { client, compositor, bound } = b;
  const buffer = client.make(bound.wp_single_pixel_buffer_manager_v1, 'create_u32_rgba_buffer', ['new', 0, 0, 0, 0]);
  const positioner = positionerOf(client, bound.xdg_wm_base);
  const surface = (): number => client.make(bound.wl_compositor, 'create_surface');
  const xdgSurface = (of: number): number => client.make(bound.xdg_wm_base, 'get_xdg_surface', ['new', of]);
  const commit = (of: number, attached?: 'buffer' | 'nothing'): void => {
    if (attached !== undefined) client.say(of, 'attach', [attached === 'buffer' ? buffer : undefined, 0, 0]);
    client.say(of, 'commit');
  };
  const window = (of = surface()): Shell => {
    const xdg = xdgSurface(of);
    return { surface: of, xdg, role: client.make(xdg, 'get_toplevel') };
  };
  const popup = (parent: Shell, of = surface()): Shell => {
    const xdg = xdgSurface(of);
    return { surface: of, xdg, role: client.make(xdg, 'get_popup', ['new', parent.xdg, positioner]) };
  };
  const show = async (shell: Shell): Promise<Shell> => {
    await firstCommit(client, shell.surface, shell.xdg);
    commit(shell.surface, 'buffer');
    await settle();
    return shell;
  };
  const fine = async (t: Test, text: string): Promise<void> => {
    await settle();
    t.same([client.all('wl_display.error').map(({ args }) => args), compositor.faults], [[], []], text);
  };
  const refused = async (t: Test, object: number, code: number, text: RegExp): Promise<void> => {
    await client.isEnded();
    t.match(client.last('wl_display.error').args, [object, code, text]);
  };
  const received = (name: string): number => compositor.all(name).length;
  return { ...b, bound, positioner, surface, xdgSurface, commit, window, popup, show, fine, refused, received };
}

t.test('an xdg_surface says nothing before it is a window or popup', async t => {
  for (const [name, args] of [
    ['commit', []],
    ['set_window_geometry', [0, 0, 1, 1]],
    ['ack_configure', [1]],
  ] as const) {
    const w = await walled(t);
    const surface = w.surface();
    const xdg = w.xdgSurface(surface);
    await w.fine(t, 'it is made');
    w.client.say(name === 'commit' ? surface : xdg, name, args);
    await w.refused(t, xdg, XdgSurfaceError.not_constructed, new RegExp(`${name}: .* is no window or popup yet`));
  }
  const w = await walled(t);
  const { surface, xdg } = w.window();
  w.client.say(xdg, 'set_window_geometry', [0, 0, 1, 1]);
  w.commit(surface);
  await w.fine(t, 'a window does');
});

t.test('a buffer is shown after a configure was acknowledged', async t => {
  for (const made of ['window', 'popup'] as const) {
    const make = async (w: Awaited<ReturnType<typeof walled>>): Promise<Shell> =>
      made === 'window' ? w.window() : w.popup(await w.show(w.window()));
    const good = await walled(t);
    await good.show(await make(good));
    await good.fine(t, made);

    const early = await walled(t);
    const { surface, xdg } = await make(early);
    early.commit(surface);
    await settle();
    early.commit(surface, 'buffer');
    await early.refused(t, xdg, XdgSurfaceError.unconfigured_buffer, /before .* was configured/);
  }
});

t.test('a window that is hidden begins anew', async t => {
  const good = await walled(t);
  const window = await good.show(good.window());
  good.commit(window.surface, 'nothing');
  await good.show(window);
  await good.fine(t, 'it is configured again, and shown');

  for (const again of ['hidden', 'a new toplevel']) {
    const bad = await walled(t);
    const { surface, xdg, role } = await bad.show(bad.window());
    if (again === 'hidden') bad.commit(surface, 'nothing');
    else bad.client.say(role, 'destroy');
    if (again !== 'hidden') bad.client.make(xdg, 'get_toplevel');
    bad.commit(surface, 'buffer');
    await bad.refused(t, xdg, XdgSurfaceError.unconfigured_buffer, /before .* was configured/);
  }
});

t.test('toolkits make another window of a surface whose buffer they took away', async t => {
  const w = await walled(t);
  const { surface, xdg, role } = await w.show(w.window());
  w.client.say(role, 'destroy');
  w.client.say(xdg, 'destroy');
  w.commit(surface, 'nothing');
  await w.show(w.window(surface));
  await w.fine(t, 'as GTK 4 and SDL do');
});

t.test('a surface with a buffer becomes no window', async t => {
  const good = await walled(t);
  const emptied = good.surface();
  for (const what of ['buffer', 'nothing'] as const) good.commit(emptied, what);
  good.window(emptied);
  await good.fine(t, 'one that has none any more does');

  const bad = await walled(t);
  const surface = bad.surface();
  bad.commit(surface, 'buffer');
  bad.xdgSurface(surface);
  await bad.refused(t, bad.bound.xdg_wm_base, XdgWmBaseError.invalid_surface_state, /has a buffer already/);
});

t.test('a configure is acknowledged once, the newer for the older', async t => {
  const told = async () => {
    const w = await walled(t);
    const window = await w.show(w.window());
    const theirs = w.compositor.last('xdg_wm_base.get_xdg_surface').args[0] as number;
    for (const serial of [1, 2, 3]) w.compositor.say(theirs, 'configure', [serial]);
    await settle();
    return { w, window, ack: (serial: number) => w.client.say(window.xdg, 'ack_configure', [serial]) };
  };
  const good = await told();
  good.ack(2);
  good.ack(3);
  await good.w.fine(t, 'in their order');
  for (const serials of [[2, 2], [2, 1], [4]]) {
    const { w, window, ack } = await told();
    serials.forEach(ack);
    await w.refused(t, window.xdg, XdgSurfaceError.invalid_serial, /is no configure of/);
  }
});

t.test('one from before a window was hidden says nothing any more', async t => {
  const w = await walled(t);
  const window = await w.show(w.window());
  const theirs = w.compositor.last('xdg_wm_base.get_xdg_surface').args[0] as number;
  w.compositor.say(theirs, 'configure', [5]);
  await settle();
  const acks = w.received('xdg_surface.ack_configure');
  w.commit(window.surface, 'nothing');
  w.client.say(window.xdg, 'ack_configure', [5]);
  await w.fine(t, 'it is no mistake');
  t.equal(w.received('xdg_surface.ack_configure'), acks, 'the compositor does not hear it');
});

t.test('of configures that nobody acknowledges so many are remembered', async t => {
  for (const [more, passed] of [
    [0, 1],
    [1, 0],
  ] as const) {
    const w = await walled(t);
    const window = await w.show(w.window());
    const theirs = w.compositor.last('xdg_wm_base.get_xdg_surface').args[0] as number;
    for (let i = 1; i <= MAX_PENDING_CONFIGURES + more; i++) w.compositor.say(theirs, 'configure', [5000 + i]);
    await w.client.receives('xdg_surface.configure', MAX_PENDING_CONFIGURES + more + 1);
    const acks = w.received('xdg_surface.ack_configure');
    w.client.say(window.xdg, 'ack_configure', [5001]);
    await w.fine(t, 'the oldest is acknowledged');
    t.equal(w.received('xdg_surface.ack_configure'), acks + passed, `of ${MAX_PENDING_CONFIGURES + more}`);
    w.client.say(window.xdg, 'ack_configure', [5000 + MAX_PENDING_CONFIGURES + more]);
    await w.fine(t, 'and the newest');
    t.equal(w.received('xdg_surface.ack_configure'), acks + passed + 1);
  }
});

t.test('the user moves and sizes what was configured', async t => {
  for (const [name, args] of [
    ['move', []],
    ['resize', [1]],
  ] as const) {
    const say = async (configured: boolean) => {
      const w = await walled(t);
      const seat = w.client.bind(w.registry, 20, 'wl_seat', 5);
      const window = w.window();
      if (configured) await w.show(window);
      w.client.say(window.role, name, [seat, 1, ...args]);
      return { w, window };
    };
    const { w: good } = await say(true);
    await good.fine(t, name);
    const { w, window } = await say(false);
    await w.refused(t, window.xdg, XdgSurfaceError.not_constructed, /has not been configured yet/);
  }
});

/** A window that is shown, in which the user has pressed a button: serial 55. */
async function pressed(w: Awaited<ReturnType<typeof walled>>) {
  const seat = w.client.bind(w.registry, 20, 'wl_seat', 5);
  w.client.make(seat, 'get_pointer');
  const window = await w.show(w.window());
  w.compositor.say(madeBy(w.compositor, 'wl_seat.get_pointer'), 'button', [55, 0, 0x110, 1]);
  await settle();
  return { seat, window };
}

t.test('a popup grabs before it is shown', async t => {
  for (const early of [true, false]) {
    const w = await walled(t);
    const { seat, window } = await pressed(w);
    const popup = w.popup(window);
    if (!early) await w.show(popup);
    w.client.say(popup.role, 'grab', [seat, 55]);
    if (early) {
      await w.show(popup);
      await w.fine(t, 'before');
      t.equal(w.received('xdg_popup.grab'), 1);
    } else await w.refused(t, popup.role, XdgPopupError.invalid_grab, /is shown already/);
  }
});

t.test('a popup grabs before it is committed at all, as compositors have it', async t => {
  const w = await walled(t);
  const { seat, window } = await pressed(w);
  const popup = w.popup(window);
  w.client.say(popup.surface, 'commit');
  w.client.say(popup.role, 'grab', [seat, 55]);
  await w.refused(t, popup.role, XdgPopupError.invalid_grab, /or about to be/);
  t.equal(w.received('xdg_popup.grab'), 0);
});

t.test('a popup that was dismissed before it was shown does not grab a second time', async t => {
  const w = await walled(t);
  const { seat, window } = await pressed(w);
  const popup = w.popup(window);
  w.client.say(popup.role, 'grab', [seat, 55]);
  w.commit(popup.surface);
  await settle();
  t.equal(w.received('xdg_popup.grab'), 1);
  w.compositor.say(madeBy(w.compositor, 'xdg_surface.get_popup'), 'popup_done');
  await w.client.receives('xdg_popup.popup_done');
  w.client.say(popup.role, 'grab', [seat, 55]);
  w.client.say(popup.role, 'reposition', [w.positioner, 1]);
  await w.fine(t, 'it is no mistake');
  t.same(
    [w.received('xdg_popup.grab'), w.received('xdg_popup.reposition')],
    [1, 0],
    'and the compositor does not hear of it',
  );
});

t.test('a decoration is asked for before the first buffer', async t => {
  for (const early of [true, false]) {
    const w = await walled(t);
    const window = w.window();
    if (!early) await w.show(window);
    const manager = w.bound.zxdg_decoration_manager_v1;
    w.client.make(manager, 'get_toplevel_decoration', ['new', window.role]);
    if (early) await w.fine(t, 'before');
    else await w.refused(t, manager, ZxdgToplevelDecorationV1Error.unconfigured_buffer, /has a buffer already/);
  }
});

t.test('a subsurface is placed beside its parent and its siblings', async t => {
  for (const place of ['place_above', 'place_below'] as const) {
    const family = async () => {
      const w = await walled(t);
      const [parent, one, two, stranger] = [w.surface(), w.surface(), w.surface(), w.surface()] as const;
      const sub = (of: number, above: number): number =>
        w.client.make(w.bound.wl_subcompositor, 'get_subsurface', ['new', of, above]);
      return { w, parent, one, two, stranger, subsurface: sub(one, parent), other: sub(two, parent) };
    };
    const good = await family();
    good.w.client.say(good.subsurface, place, [good.two]);
    good.w.client.say(good.subsurface, place, [good.parent]);
    await good.w.fine(t, place);
    for (const who of ['one', 'stranger'] as const) {
      const bad = await family();
      bad.w.client.say(bad.subsurface, place, [bad[who]]);
      await bad.w.refused(t, bad.subsurface, WlSubsurfaceError.bad_surface, /is no parent or sibling/);
    }
    const left = await family();
    left.w.client.say(left.other, 'destroy');
    left.w.client.say(left.subsurface, place, [left.two]);
    await left.w.refused(t, left.subsurface, WlSubsurfaceError.bad_surface, /is no parent or sibling/);
  }
});

t.test('a seat gives the devices that it has had', async t => {
  const { pointer, keyboard, touch } = WlSeatCapability;
  const seated = async (first: number) => {
    const w = await walled(t);
    // The ids of dependents are there (`relay/order.ts`): what is asked from now on is about the seat.
    await w.client.roundtrip();
    // The test says itself what the seat has.
    const asked: Received[] = [];
    w.compositor.answer = received => {
      if (received.name === 'wl_display.sync' && first < 0) asked.push(received);
      else w.compositor.answerBasics(received);
    };
    const seat = w.client.bind(w.registry, 20, 'wl_seat', 5);
    await settle();
    const theirs = madeBy(w.compositor, 'wl_registry.bind');
    const has = async (capabilities: number): Promise<void> => {
      w.compositor.say(theirs, 'capabilities', [capabilities]);
      await settle();
    };
    if (first >= 0) await has(first);
    return { w, seat, has, asked };
  };
  t.test('none, where it was gone before it could tell', async t => {
    const { w, seat, asked } = await seated(-1);
    const device = w.client.make(seat, 'get_pointer');
    await settle();
    t.not(asked.length, 0, 'the glue asks whether that is all');
    w.compositor.answer = received => w.compositor.answerBasics(received);
    for (const received of asked) w.compositor.answerBasics(received);
    w.client.say(device, 'release');
    await w.fine(t, 'the device does nothing');
    t.equal(w.received('wl_seat.get_pointer'), 0);
  });
  for (const [name, bit] of Object.entries({ get_pointer: pointer, get_keyboard: keyboard, get_touch: touch })) {
    const { w, seat, has } = await seated(-1);
    w.client.make(seat, name);
    await settle();
    t.equal(w.received(`wl_seat.${name}`), 0, 'who asks at once waits for what the seat has');
    await has(bit);
    t.equal(w.received(`wl_seat.${name}`), 1);
    await has(0);
    w.client.make(seat, name);
    await w.fine(t, 'it was taken away meanwhile');
    t.equal(w.received(`wl_seat.${name}`), 1, 'and what is given is nothing');
    await has(bit);
    w.client.make(seat, name);
    await w.fine(t, 'it has come back');
    t.equal(w.received(`wl_seat.${name}`), 2);

    const without = await seated((pointer | keyboard | touch) & ~bit);
    without.w.client.make(without.seat, name);
    await without.w.refused(t, without.seat, WlSeatError.missing_capability, /has had no/);
  }
});

/** A popup that the compositor has dismissed, which its client does not know yet. */
async function dismissed(t: Test) {
  const w = await walled(t);
  const window = await w.show(w.window());
  const popup = await w.show(w.popup(window));
  const theirs = w.compositor.last('xdg_wm_base.get_xdg_surface').args[0] as number;
  w.compositor.say(theirs, 'configure', [5]);
  w.compositor.say(madeBy(w.compositor, 'xdg_surface.get_popup'), 'popup_done');
  await w.client.receives('xdg_popup.popup_done');
  return { w, window, popup };
}

t.test('a popup that was dismissed says nothing any more', async t => {
  const { w, window, popup } = await dismissed(t);
  const before = w.compositor.received.length;
  w.client.say(popup.xdg, 'ack_configure', [5]);
  w.client.say(popup.xdg, 'set_window_geometry', [0, 0, 1, 1]);
  w.commit(popup.surface);
  await w.fine(t, 'it is no mistake');
  const said = w.compositor.received.slice(before).map(({ name }) => name);
  t.same(
    said.filter(name => /ack_configure|set_window_geometry|commit$/.test(name)),
    [],
  );
  w.popup(popup);
  await w.client.receives('xdg_popup.popup_done', 2);
  t.equal(w.received('xdg_surface.get_popup'), 1, 'and what would be above it is dismissed at once');
  w.popup(window);
  await w.fine(t, 'others are not');
  t.equal(w.received('xdg_surface.get_popup'), 2);
});

t.test('a popup that was dismissed is shown again', async t => {
  for (const order of ['the buffer last', 'the buffer first'] as const) {
    const { w, window, popup } = await dismissed(t);
    if (order === 'the buffer first') w.commit(popup.surface, 'nothing');
    w.client.say(popup.role, 'destroy');
    w.client.say(popup.xdg, 'destroy');
    if (order === 'the buffer last') w.commit(popup.surface, 'nothing');
    await settle();
    const before = w.compositor.received.length;
    await w.show(w.popup(window, popup.surface));
    await w.fine(t, order);
    const said = w.compositor.received.slice(before, before + 3).map(({ name }) => name);
    const emptied = ['wl_surface.attach', 'wl_surface.commit', 'xdg_wm_base.get_xdg_surface'];
    if (order === 'the buffer first') t.same(said, emptied, 'the compositor is told that it has no buffer');
    else t.equal(said[0], emptied[2], 'the compositor knows');
    t.equal(w.received('xdg_surface.get_popup'), 2);
  }
});

t.test('handles of windows', async t => {
  for (const [version, exporting, importing] of [
    [1, 'export', 'import'],
    [2, 'export_toplevel', 'import_toplevel'],
  ] as const) {
    t.test(`end with them (version ${version})`, async t => {
      const w = await walled(t);
      const saidSince = (at: number) =>
        w.compositor.received.slice(at).filter(({ name }) => name !== 'wl_display.sync');
      const window = await w.show(w.window());
      w.client.make(w.bound[`zxdg_exporter_v${version}`], exporting, ['new', window.surface]);
      await settle();
      const before = w.compositor.received.length;
      w.client.say(window.role, 'destroy');
      await w.fine(t, 'it goes');
      t.same(
        saidSince(before).map(({ name }) => name),
        [`zxdg_exported_v${version}.destroy`, 'xdg_toplevel.destroy'],
      );
    });
    t.test(`that made a child end before it does (version ${version})`, async t => {
      const w = await walled(t);
      const saidSince = (at: number) =>
        w.compositor.received.slice(at).filter(({ name }) => name !== 'wl_display.sync');
      const [child, plain] = [w.window(), w.window()];
      const imported = w.client.make(w.bound[`zxdg_importer_v${version}`], importing, ['new', 'a handle']);
      w.client.say(imported, 'set_parent_of', [child.surface]);
      await settle();
      const before = w.compositor.received.length;
      w.client.say(plain.role, 'destroy');
      w.client.say(child.role, 'destroy');
      await w.fine(t, 'both go');
      t.match(saidSince(before), [
        { name: 'xdg_toplevel.destroy' },
        { name: 'xdg_toplevel.set_parent', args: [undefined] },
        { name: 'xdg_toplevel.destroy' },
      ]);
    });
  }
});
