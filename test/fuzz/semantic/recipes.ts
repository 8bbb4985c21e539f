/**
 * Steps in the order of a well-behaved program, so that windows get mapped, popups grab and drags begin: without them a
 * random client never gets anywhere. A recipe is a generator that yields between its steps; others are at work in
 * between, and what they do to its objects is the point.
 */
import type { Model, Thing } from './model.js';
import { POOL_BYTES } from './values.js';

export type Recipe = (model: Model) => Generator<void, void, void>;

const surfaceOf = (model: Model): Thing | undefined => {
  const compositor = model.global('wl_compositor');
  return compositor && model.make(compositor, 'create_surface');
};

/** A buffer of a small picture: one that there is, or a new one. */
function buffer(model: Model): Thing | undefined {
  const known = model.living('wl_buffer');
  if (known.length > 0 && !model.oneIn(4)) return model.random.pick(known);
  let [pool] = model.living('wl_shm_pool');
  const shm = model.global('wl_shm');
  if (shm === undefined) return undefined;
  pool ??= model.make(shm, 'create_pool', { memory: POOL_BYTES }, POOL_BYTES);
  const side = model.random.pick([1, 40, 100, 200]);
  return model.make(pool, 'create_buffer', 0, side, side, side * 4, 1);
}

function show(model: Model, surface: Thing): void {
  const picture = buffer(model);
  if (picture === undefined || !surface.alive || model.isHalfMade(surface)) return;
  if (surface.role === 'xdg_surface' && !surface.ready) return;
  model.request(surface, 'attach', { slot: picture.slot }, 0, 0);
  model.request(surface, 'damage', 0, 0, 200, 200);
  if (model.oneIn(3)) model.request(surface, 'frame');
  model.request(surface, 'commit');
}

/** From the first commit of a surface with an xdg role to its first picture. */
function* configured(model: Model, surface: Thing, xdg: Thing): Generator<void, void, void> {
  if (!surface.alive) return;
  model.request(surface, 'commit');
  yield;
  model.roundtrip();
  yield;
  if (!xdg.alive || !surface.alive) return;
  model.request(xdg, 'ack_configure', { configureOf: xdg.slot });
  yield;
  show(model, surface);
}

function* toplevel(model: Model): Generator<void, void, void> {
  const base = model.global('xdg_wm_base');
  const surface = surfaceOf(model);
  if (base === undefined || surface === undefined) return;
  const xdg = model.make(base, 'get_xdg_surface', { slot: surface.slot });
  yield;
  if (!xdg.alive) return;
  const window = model.make(xdg, 'get_toplevel');
  if (model.oneIn(2)) model.request(window, 'set_title', 'fuzz');
  yield* configured(model, surface, xdg);
}

function* popup(model: Model): Generator<void, void, void> {
  const base = model.global('xdg_wm_base');
  const parents = model.living('xdg_surface').filter(thing => thing.role === 'taken');
  if (base === undefined || parents.length === 0) return;
  const place = model.make(base, 'create_positioner');
  model.request(place, 'set_size', 60, 40);
  model.request(place, 'set_anchor_rect', 0, 0, 10, 10);
  const surface = surfaceOf(model);
  yield;
  if (surface === undefined || !place.alive) return;
  const xdg = model.make(base, 'get_xdg_surface', { slot: surface.slot });
  yield;
  // The newest is often a popup itself: a popup of a popup.
  const parent = model.oneIn(2) ? parents.at(-1)! : model.random.pick(parents);
  if (!xdg.alive || !parent.alive) return;
  const menu = model.make(xdg, 'get_popup', { slot: parent.slot }, { slot: place.slot });
  const seat = model.global('wl_seat');
  if (seat !== undefined && model.oneIn(2))
    model.request(menu, 'grab', { slot: seat.slot }, { input: model.random.below(2) });
  yield* configured(model, surface, xdg);
}

function* subsurface(model: Model): Generator<void, void, void> {
  const sub = model.global('wl_subcompositor');
  const parents = model.living('wl_surface');
  const surface = surfaceOf(model);
  if (sub === undefined || surface === undefined || parents.length === 0) return;
  const parent = model.oneIn(2) ? parents.at(-1)! : model.random.pick(parents);
  const child = model.make(sub, 'get_subsurface', { slot: surface.slot }, { slot: parent.slot });
  if (model.oneIn(2)) model.request(child, 'set_desync');
  model.request(child, 'set_position', 5, 5);
  yield;
  show(model, surface);
  yield;
  if (parent.alive && !model.isHalfMade(parent)) model.request(parent, 'commit');
}

/** Input, as the person at the seat gives it, with an object of ours that receives it. */
function* input(model: Model): Generator<void, void, void> {
  const seat = model.global('wl_seat');
  if (seat === undefined) return;
  if (model.hasDevice('get_pointer') && model.living('wl_pointer').length === 0) model.make(seat, 'get_pointer');
  if (model.hasDevice('get_keyboard') && model.living('wl_keyboard').length === 0) model.make(seat, 'get_keyboard');
  yield;
  model.move(model.random.below(1000), model.random.below(1000));
  if (model.oneIn(2)) model.user('press');
  if (model.oneIn(2)) model.user('key');
  yield;
  model.roundtrip();
  model.user('release');
}

function* cursor(model: Model): Generator<void, void, void> {
  yield* input(model);
  const pointer = model.living('wl_pointer').at(-1);
  const surface = surfaceOf(model);
  if (pointer === undefined || surface === undefined) return;
  model.request(pointer, 'set_cursor', { input: 0 }, { slot: surface.slot }, 2, 2);
  yield;
  show(model, surface);
}

function dataDevice(model: Model): Thing | undefined {
  const known = model.living('wl_data_device').at(-1);
  const seat = model.global('wl_seat');
  const manager = model.global('wl_data_device_manager');
  return known ?? (seat && manager && model.make(manager, 'get_data_device', { slot: seat.slot }));
}

function source(model: Model): Thing | undefined {
  const manager = model.global('wl_data_device_manager');
  if (manager === undefined) return undefined;
  const made = model.make(manager, 'create_data_source');
  model.request(made, 'offer', 'text/plain');
  return made;
}

function* drag(model: Model): Generator<void, void, void> {
  const device = dataDevice(model);
  const origin = model.living('wl_surface').find(surface => surface.ready);
  const data = source(model);
  if (device === undefined || origin === undefined || data === undefined) return;
  if (model.oneIn(2) && data.version >= 3) model.request(data, 'set_actions', 1);
  yield;
  model.move(100, 100);
  model.user('press');
  model.roundtrip();
  yield;
  const icon = model.oneIn(2) ? surfaceOf(model) : undefined;
  if (!device.alive || !origin.alive || !data.alive) return;
  model.request(
    device,
    'start_drag',
    model.oneIn(4) ? undefined : { slot: data.slot },
    { slot: origin.slot },
    icon && { slot: icon.slot },
    { input: 0 },
  );
  yield;
  if (icon !== undefined) show(model, icon);
  for (let i = 0; i < 3; i++) {
    model.move(model.random.below(1000), model.random.below(1000));
    yield;
  }
  model.roundtrip();
  if (model.oneIn(2)) yield* offer(model);
  model.user('release');
}

function* selection(model: Model): Generator<void, void, void> {
  yield* input(model);
  const device = dataDevice(model);
  const data = source(model);
  if (device === undefined || data === undefined) return;
  model.request(device, 'set_selection', model.oneIn(4) ? undefined : { slot: data.slot }, { input: 0 });
  yield;
  model.roundtrip();
  yield* offer(model);
}

/** Takes an offer that the compositor made, and asks for its data. */
function* offer(model: Model): Generator<void, void, void> {
  const device = model.living('wl_data_device').at(-1);
  if (device === undefined) return;
  const taken = model.take('wl_data_offer', device.version, [device.slot]);
  yield;
  if (taken.alive) model.request(taken, 'receive', 'text/plain', { pipe: true });
}

/** Globals that make something of a surface, and the request that does. */
const EXTRAS: readonly (readonly [
  global: string,
  request: string,
  needs: 'surface' | 'window' | 'toplevel' | 'seat',
])[] = [
  ['wp_viewporter', 'get_viewport', 'surface'],
  ['wp_fractional_scale_manager_v1', 'get_fractional_scale', 'surface'],
  ['zwp_idle_inhibit_manager_v1', 'create_inhibitor', 'surface'],
  ['wp_content_type_manager_v1', 'get_surface_content_type', 'surface'],
  ['wp_tearing_control_manager_v1', 'get_tearing_control', 'surface'],
  ['wp_alpha_modifier_v1', 'get_surface', 'surface'],
  ['org_kde_kwin_server_decoration_manager', 'create', 'surface'],
  ['zxdg_exporter_v1', 'export', 'window'],
  ['zxdg_exporter_v2', 'export_toplevel', 'window'],
  ['zxdg_decoration_manager_v1', 'get_toplevel_decoration', 'toplevel'],
  ['xdg_wm_dialog_v1', 'get_xdg_dialog', 'toplevel'],
  ['zwp_text_input_manager_v3', 'get_text_input', 'seat'],
  ['zwp_tablet_manager_v2', 'get_tablet_seat', 'seat'],
  ['zwp_primary_selection_device_manager_v1', 'get_device', 'seat'],
];

function* extra(model: Model): Generator<void, void, void> {
  const [name, request, needs] = model.random.pick(EXTRAS);
  const found =
    needs === 'seat'
      ? model.global('wl_seat')
      : model.living(needs === 'surface' ? 'wl_surface' : 'xdg_toplevel').at(model.oneIn(2) ? -1 : 0);
  const surface = needs === 'window' && found !== undefined ? model.surfaceOf(found) : found;
  const on = surface?.alive === true ? surface : undefined;
  const manager = model.global(name);
  if (manager === undefined || on === undefined || on.had.has(request)) return;
  if (request === 'get_toplevel_decoration' && model.surfaceOf(on)?.had.has('attach') === true) return;
  model.request(manager, request, { slot: on.slot });
  on.had.add(request);
  yield;
}

/** Another object of the same kind as one that lives already, about the same things: a second pointer, decoration. */
function* twice(model: Model): Generator<void, void, void> {
  const again = model.steps.filter(step => step.kind === 'request' && step.makes !== undefined);
  if (again.length === 0) return;
  const step = model.random.pick(again);
  if (step.kind !== 'request' || !model.thing(step.target).alive || !/^get_(pointer|keyboard|touch)/.test(step.name))
    return;
  model.request(model.thing(step.target), step.name, ...step.args);
  yield;
}

/** Destroys what others stand on, and leaves them standing. */
function* pull(model: Model): Generator<void, void, void> {
  const under = model.random.pick([
    'wl_surface',
    'wl_surface',
    'xdg_surface',
    'wl_seat',
    'wl_buffer',
    'wl_data_source',
  ]);
  const victims = model.living(under);
  if (victims.length === 0) return;
  const victim = model.random.pick(victims);
  const destructor = victim.type.requests.find(message => message.destructor && message.since <= victim.version);
  if (destructor !== undefined) model.request(victim, destructor.name);
  yield;
  if (model.oneIn(2)) model.roundtrip();
}

export const RECIPES: readonly Recipe[] = [
  ...[toplevel, toplevel, popup, popup, subsurface, subsurface, input, cursor, drag, selection],
  ...[extra, extra, extra, extra, twice, pull],
];
