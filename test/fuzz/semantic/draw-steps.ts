/**
 * Draws the steps of one hostile connection: recipes that run side by side, and between their steps requests at random,
 * most of them to objects whose surface or parent is gone. Everything follows from the random numbers.
 */
import type { Message } from '../../../src/wayland/interface.js';
import type { Random } from '../../wayland/random.js';
import { Model, roleOf, slotsOf, type Offered, type Thing } from './model.js';
import { RECIPES } from './recipes.js';
import { DISPLAY_SLOT, type Argument, type Step } from './step.js';
import { drawArguments } from './values.js';

/** Recipes at work at the same time. */
const AT_ONCE = 3;
/** Of how many steps that a compositor must answer with an error one is taken all the same. */
const ENDING_EVERY = 40;

export function drawSteps(random: Random, offered: Offered, count: number): Step[] {
  const model = new Model(random, offered);
  for (const name of offered.keys()) if (!model.oneIn(3)) model.global(name);
  const running: Generator<void, void, void>[] = [];
  while (model.requests < count) {
    if (running.length < AT_ONCE) running.push(random.pick(RECIPES)(model));
    const which = random.below(running.length);
    if (running[which]!.next().done === true) running.splice(which, 1);
    while (model.oneIn(2)) one(model);
    if (model.oneIn(25)) model.roundtrip();
  }
  model.roundtrip();
  return model.steps.slice(0, count + 1);
}

/** One request at random, if what was drawn can be said at all. */
function one(model: Model): void {
  const target = drawTarget(model);
  if (target === undefined) return;
  const possible = target.type.requests.filter(
    message => message.since <= target.version && message.args.every(arg => arg.kind !== 'bind'),
  );
  if (possible.length === 0) return;
  const message = model.random.pick(possible);
  // Destroying everything early would leave nothing to do anything to.
  if (message.destructor && !model.oneIn(target.type.name.endsWith('manager') ? 20 : 4)) return;
  const args = drawArguments(model, target, message);
  if (args === undefined) return;
  if (ends(model, target, message, args) && !model.oneIn(ENDING_EVERY)) return;
  model.request(target, message.name, ...args);
}

function drawTarget(model: Model): Thing | undefined {
  const { random } = model;
  const living = model.things.filter(thing => thing.alive && thing.slot !== DISPLAY_SLOT);
  if (living.length === 0) return undefined;
  if (model.oneIn(2)) {
    const orphans = living.filter(thing => model.isOrphan(thing));
    if (orphans.length > 0) return random.pick(orphans);
  }
  return model.oneIn(2) ? random.pick(living.slice(-8)) : random.pick(living);
}

/** Whether the protocol calls this an error, as far as the model can tell. */
function ends(model: Model, target: Thing, message: Message, args: readonly Argument[]): boolean {
  const { name } = message;
  const surface = model.surfaceOf(target);
  const number = (i: number): number => (typeof args[i] === 'number' ? args[i] : 1);
  switch (target.type.name) {
    case 'xdg_wm_base':
      if (name === 'destroy') return model.living('xdg_surface').length > 0;
      break;
    case 'xdg_surface':
      if (name === 'destroy') return model.things.some(o => o.alive && o.about[0] === target.slot);
      if (name === 'get_toplevel') return target.role !== undefined;
      if (name === 'get_popup') return target.role !== undefined || args[0] === undefined || incomplete(model, args);
      if (name === 'ack_configure') return target.role === undefined || surface === undefined;
      return target.role === undefined || number(2) <= 0 || number(3) <= 0;
    case 'xdg_positioner':
      if (name === 'set_size') return number(0) <= 0 || number(1) <= 0;
      if (name === 'set_anchor_rect') return number(2) < 0 || number(3) < 0;
      if (name === 'set_anchor' || name === 'set_gravity') return number(0) > 8;
      break;
    case 'xdg_toplevel':
      if (name === 'set_max_size' || name === 'set_min_size') return number(0) < 0 || number(1) < 0;
      if (name === 'resize') return number(args.length - 1) > 10;
      break;
    case 'xdg_popup':
      if (name === 'reposition') return incomplete(model, [undefined, args[0]]);
      break;
    case 'wl_surface':
      if (name === 'attach') return target.role === 'xdg_surface' && !target.ready && args[0] !== undefined;
      if (name === 'set_buffer_scale') return number(0) < 1;
      if (name === 'set_buffer_transform') return number(0) < 0 || number(0) > 7;
      break;
    case 'wl_shm':
      return number(1) <= 0;
    case 'wl_shm_pool':
      if (name === 'resize') return number(0) < 256 * 1024;
      if (name === 'create_buffer') return number(1) <= 0 || number(2) <= 0 || number(3) < number(1) * 4;
      break;
    case 'wp_viewport':
      if (surface === undefined || !surface.alive) return false;
      return [...args].some(arg => typeof arg === 'number' && arg <= 0);
    case 'zwp_locked_pointer_v1':
    case 'zwp_pointer_constraints_v1':
      return name !== 'destroy' && args.some(arg => typeof arg === 'object' && 'slot' in arg && had(model, arg.slot, name));
  }
  // One role a surface, one of most extensions a surface.
  if (roleOf(name) !== undefined || /^(get|create)_/.test(name)) {
    const slots = slotsOf(args).filter(slot => model.thing(slot).type.name === 'wl_surface');
    if (name !== 'create_surface' && slots.some(slot => had(model, slot, name))) return true;
  }
  return false;
}

function had(model: Model, slot: number, request: string): boolean {
  return model.thing(slot).had.has(request) && request !== 'set_cursor';
}

/** A positioner needs a size and an anchor before it places anything. */
function incomplete(model: Model, args: readonly Argument[]): boolean {
  const arg = args[1];
  if (typeof arg !== 'object' || !('slot' in arg)) return true;
  const { had } = model.thing(arg.slot);
  return !had.has('set_size') || !had.has('set_anchor_rect');
}
