/**
 * Recipes whose numbers are at the edges of what a compositor computes with: sizes that contradict each other, pictures
 * that do not fit their scale or viewport, places at the ends of an int, texts with cursors outside of them. Half of their
 * values are good ones, or nearly so, since a mistake ends the connection.
 */
import type { Model, Thing } from './model.js';
import type { Recipe } from './recipes.js';
import { POOL_BYTES } from './values.js';

const INT_MAX = 0x7fffffff;
const INT_MIN = -0x80000000;
/** Places at which sums overflow, and the last ones at which they do not. */
const FAR = [INT_MAX, INT_MIN, INT_MAX - 1, 1 << 20, -(1 << 20), (1 << 20) + 1, 1 << 30, -(1 << 30)] as const;
const NEAR = [0, 1, -1, 7, 100] as const;

/** A place: as often near as at an edge. */
function place(model: Model): number {
  return model.random.pick<number>(model.oneIn(2) ? FAR : NEAR);
}

/** A size, seldom one that is none. */
function size(model: Model): number {
  if (model.oneIn(30)) return model.random.pick([0, -1, INT_MIN]);
  return Math.min(Math.abs(place(model)), INT_MAX) || 1;
}

/** The last surface that is shown, or any other. */
function surfaceToShow(model: Model): Thing | undefined {
  const living = model.living('wl_surface').filter(surface => !model.isHalfMade(surface));
  return living.filter(({ ready }) => ready).at(-1) ?? living.at(-1);
}

function commit(model: Model, surface: Thing): void {
  if (surface.alive && !model.isHalfMade(surface)) model.request(surface, 'commit');
}

/** Least and largest sizes, which now and then contradict each other. */
function* sizes(model: Model): Generator<void, void, void> {
  const toplevel = model.living('xdg_toplevel').at(-1);
  const surface = toplevel && model.surfaceOf(toplevel);
  if (toplevel === undefined || surface === undefined) return;
  const sides = [0, 1, 200, INT_MAX] as const;
  const [width, height] = [model.random.pick(sides), model.random.pick(sides)];
  model.request(toplevel, 'set_min_size', width, height);
  yield;
  const good = !model.oneIn(20);
  if (toplevel.alive)
    model.request(toplevel, 'set_max_size', good ? INT_MAX : model.random.pick(sides), good ? 0 : height);
  yield;
  commit(model, surface);
}

/** A picture with a scale, a transform, a part that is shown, a size at which it is. */
function* picture(model: Model): Generator<void, void, void> {
  const surface = surfaceToShow(model);
  const viewporter = model.global('wp_viewporter');
  const shm = model.global('wl_shm');
  if (surface === undefined || viewporter === undefined || shm === undefined) return;
  if (surface.role === 'xdg_surface' && !surface.ready) return;
  const pool = model.make(shm, 'create_pool', { memory: POOL_BYTES }, POOL_BYTES);
  const scale = model.random.pick([1, 1, 2, 3]);
  const odd = model.oneIn(20) ? 1 : 0;
  const [width, height] = [60 + odd, model.random.pick([60, 120])];
  const buffer = model.make(pool, 'create_buffer', 0, width, height, 4 * width, 1);
  let [viewport] = model.living('wp_viewport').filter(({ about }) => about[1] === surface.slot);
  if (viewport === undefined && !surface.had.has('get_viewport'))
    viewport = model.make(viewporter, 'get_viewport', { slot: surface.slot });
  yield;
  if (!surface.alive) return;
  model.request(surface, 'set_buffer_scale', scale);
  if (model.oneIn(2)) model.request(surface, 'set_buffer_transform', model.random.pick([0, 2, 4, 6]));
  if (viewport?.alive === true) {
    // 20 fits at any of the scales.
    const inside = model.oneIn(20) ? model.random.pick([20.5, 61, 1 / 256, 8_000_000]) : 20;
    const from = model.random.pick([0, 0, 0.5]);
    if (model.oneIn(2)) model.request(viewport, 'set_source', -1, -1, -1, -1);
    else model.request(viewport, 'set_source', from, from, inside - 1, 19);
    if (model.oneIn(2)) model.request(viewport, 'set_destination', -1, -1);
    else model.request(viewport, 'set_destination', size(model), size(model));
  }
  yield;
  if (!surface.alive || !buffer.alive) return;
  model.request(surface, 'attach', { slot: buffer.slot }, place(model), 0);
  model.request(surface, 'damage', place(model), place(model), size(model), size(model));
  if (surface.version >= 4)
    model.request(surface, 'damage_buffer', place(model), place(model), size(model), size(model));
  commit(model, surface);
}

/** Windows, subsurfaces and popups far away from everything. */
function* places(model: Model): Generator<void, void, void> {
  const subsurface = model.living('wl_subsurface').at(-1);
  if (subsurface !== undefined) model.request(subsurface, 'set_position', place(model), place(model));
  yield;
  const xdg = model.living('xdg_surface').findLast(({ role }) => role === 'taken');
  const surface = xdg && model.surfaceOf(xdg);
  if (xdg !== undefined && surface?.alive === true) {
    model.request(xdg, 'set_window_geometry', place(model), place(model), size(model), size(model));
    yield;
    commit(model, surface);
  }
  for (const positioner of model.living('xdg_positioner').slice(-1)) {
    model.request(positioner, 'set_anchor_rect', place(model), place(model), size(model), size(model));
    model.request(positioner, 'set_offset', place(model), place(model));
    model.request(positioner, 'set_size', size(model), size(model));
    model.request(positioner, 'set_gravity', model.random.below(9));
  }
  yield;
  const compositor = model.global('wl_compositor');
  const shown = surfaceToShow(model);
  if (compositor === undefined || shown === undefined) return;
  const region = model.make(compositor, 'create_region');
  for (let i = 0; i < 3; i++)
    model.request(region, model.oneIn(3) ? 'subtract' : 'add', place(model), place(model), place(model), place(model));
  model.request(shown, model.oneIn(2) ? 'set_input_region' : 'set_opaque_region', { slot: region.slot });
  commit(model, shown);
}

/** A text with cursors outside of it, with the focus or without. */
function* text(model: Model): Generator<void, void, void> {
  const seat = model.global('wl_seat');
  const manager = model.global('zwp_text_input_manager_v3');
  if (seat === undefined || manager === undefined) return;
  const input = model.living('zwp_text_input_v3').at(-1) ?? model.make(manager, 'get_text_input', { slot: seat.slot });
  yield;
  if (!input.alive) return;
  model.request(input, model.oneIn(4) ? 'disable' : 'enable');
  const words = model.random.pick(['', 'text', 'aé€', 'x'.repeat(3990), 'x'.repeat(4001)]);
  model.request(input, 'set_surrounding_text', words, place(model), place(model));
  model.request(input, 'set_content_type', model.random.pick([0, 0x3ff, 0xffffffff]), model.random.below(16));
  model.request(input, 'set_cursor_rectangle', place(model), place(model), place(model), place(model));
  model.request(input, 'set_text_change_cause', model.random.below(4));
  yield;
  if (input.alive) model.request(input, 'commit');
}

/** What an offer is told: of the selection or of a drag, dropped or not. */
function* answer(model: Model): Generator<void, void, void> {
  const offer = model.living('wl_data_offer').at(-1);
  if (offer === undefined) return;
  if (model.oneIn(2)) model.request(offer, 'accept', { input: 0 }, model.oneIn(4) ? undefined : 'text/plain');
  yield;
  if (!offer.alive || offer.version < 3 || !model.oneIn(4)) return;
  model.request(offer, 'set_actions', model.random.below(8), model.random.pick([0, 1, 2, 4]));
  yield;
  model.roundtrip();
  yield;
  if (offer.alive && model.oneIn(4)) model.request(offer, 'finish');
}

export const EDGES: readonly Recipe[] = [sizes, picture, picture, places, places, text, answer];
