/**
 * Leaves out of a list of steps what a firewall of lifetimes would not let through: a surface, or the role on it, is only
 * destroyed when nothing stands on it any more, and a popup has a parent with a picture. What the fuzzer still finds then
 * lies behind that wall. By hand only: under virtwl nothing is spared.
 */
import type { Interface } from '../../../src/wayland/interface.js';
import { slotsOf } from './model.js';
import { DISPLAY_SLOT, interfaceNamed, messageNamed, type Step } from './step.js';

interface Known {
  readonly type: Interface;
  readonly about: readonly number[];
  alive: boolean;
  /** Of a surface: it was committed with a buffer. */
  shown: boolean;
  attached: boolean;
}

/** What others stand on. */
const GROUND = /^(wl_surface|xdg_surface|wl_seat|wl_pointer|xdg_toplevel|xdg_popup|wl_data_source)$/;
/** What stands on nothing, though it was made with it. */
const LOOSE = /^(wl_callback|wl_buffer|wl_region|wl_keyboard|wl_pointer|wl_touch|xdg_positioner)$/;

export function withoutOrphans(steps: readonly Step[]): Step[] {
  const known = new Map<number, Known>();
  const add = (slot: number, name: string, about: readonly number[]): void =>
    void known.set(slot, { type: interfaceNamed(name), about, alive: true, shown: false, attached: false });
  add(DISPLAY_SLOT, 'wl_display', []);

  const standsOn = (thing: Known, slot: number): boolean =>
    thing.alive && thing.about.includes(slot) && !LOOSE.test(thing.type.name);
  const surfaceOf = (slot: number): Known | undefined => {
    const thing = known.get(slot);
    if (thing === undefined || thing.type.name === 'wl_surface') return thing;
    const [surface] = thing.about.map(surfaceOf).filter(found => found !== undefined);
    return surface;
  };

  return steps.filter(step => {
    if (step.kind === 'bind' || step.kind === 'take') add(step.makes, step.interface, []);
    if (step.kind !== 'request') return true;
    const target = known.get(step.target);
    const others = slotsOf(step.args);
    if (target?.alive !== true || others.some(slot => known.get(slot)?.alive !== true)) return false;
    const message = messageNamed(target.type, step.name);
    if (message.destructor && GROUND.test(target.type.name))
      for (const other of known.values()) if (standsOn(other, step.target)) return false;
    if (step.name === 'get_popup' && (others.length < 2 || surfaceOf(others[0]!)?.shown !== true)) return false;
    if (message.destructor) target.alive = false;
    if (step.name === 'attach') target.attached = step.args[0] !== undefined;
    if (step.name === 'commit' && target.type.name === 'wl_surface') target.shown = target.attached;
    const made = message.args.find(arg => arg.kind === 'new_id')?.interface;
    if (made !== undefined && step.makes !== undefined) add(step.makes, made, [step.target, ...others]);
    return true;
  });
}
