/**
 * Which requests a compositor must answer with a protocol error, as far as the model can tell: the connection ends there,
 * so that most of them are left out, and only now and then one is taken.
 */
import type { Message } from '../../../src/wayland/interface.js';
import { roleOf, slotsOf, type Model, type Thing } from './model.js';
import type { Argument } from './step.js';
import { POOL_BYTES } from './values.js';

/** The actions of a drag that there are: copy, move, ask. */
const ALL_ACTIONS = 7;

/** Whether the protocol calls this an error. */
export function ends(model: Model, target: Thing, message: Message, args: readonly Argument[]): boolean {
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
      if (name === 'grab') return surface?.had.has('attach') ?? true;
      if (name === 'reposition') return incomplete(model, [undefined, args[0]]);
      break;
    case 'wl_surface':
      if (name === 'commit') return model.isHalfMade(target);
      if (name === 'attach') return target.role === 'xdg_surface' && !target.ready && args[0] !== undefined;
      if (name === 'set_buffer_scale') return number(0) < 1;
      if (name === 'set_buffer_transform') return number(0) < 0 || number(0) > 7;
      break;
    case 'wl_seat':
      return !model.hasDevice(name);
    case 'wl_data_source':
      if (name === 'set_actions')
        return (
          number(0) > ALL_ACTIONS ||
          ['set_actions', 'set_selection', 'start_drag'].some(before => target.had.has(before))
        );
      break;
    case 'wl_data_offer':
      return name === 'finish' || name === 'set_actions';
    case 'xdg_activation_token_v1':
      return target.had.has('commit');
    case 'zxdg_decoration_manager_v1':
      if (name === 'get_toplevel_decoration')
        return slotsOf(args).some(slot => model.surfaceOf(model.thing(slot))?.had.has('attach') ?? true);
      break;
    case 'wl_subcompositor':
      if (name === 'get_subsurface' && isWithin(model, slotsOf(args)[1]!, slotsOf(args)[0]!)) return true;
      break;
    case 'wl_shm':
      return number(1) <= 0;
    case 'wl_shm_pool':
      if (name === 'resize') return number(0) < POOL_BYTES;
      if (name === 'create_buffer') return number(1) <= 0 || number(2) <= 0 || number(3) < number(1) * 4;
      break;
    case 'wp_viewport':
      if (!surface?.alive) return false;
      return [...args].some(arg => typeof arg === 'number' && arg <= 0);
    case 'zwp_locked_pointer_v1':
    case 'zwp_pointer_constraints_v1':
      return (
        name !== 'destroy' && args.some(arg => typeof arg === 'object' && 'slot' in arg && had(model, arg.slot, name))
      );
  }
  // One role a surface, one of most extensions a surface.
  if (roleOf(name) !== undefined || /^(get|create)_/.test(name)) {
    const slots = slotsOf(args).filter(slot => model.thing(slot).type.name === 'wl_surface');
    if (name === 'get_xdg_surface' && slots.some(slot => model.thing(slot).had.has('attach'))) return true;
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

/** Whether a surface is another one, or below it. */
function isWithin(model: Model, slot: number, ancestor: number): boolean {
  for (let at: number | undefined = slot, depth = 0; at !== undefined && depth < 64; depth++) {
    if (at === ancestor) return true;
    const here: number = at;
    at = model.living('wl_subsurface').find(thing => thing.about[1] === here)?.about[2];
  }
  return false;
}
