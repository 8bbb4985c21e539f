/**
 * What needs what, for the order of ids (`relay/order.ts`): the declarations of `lives.ts`, and the needs that `roles.ts`
 * adds to them as it gives roles.
 */
import type { Call } from '../relay/call.js';
import type { RelayObject } from '../relay/object-map.js';
import type { Order } from '../relay/order.js';
import type { InterfaceName } from '../wayland/message-types.js';
import { knownLife, toplevelOf } from './life.js';
import { LIVES, NEEDED } from './lives.js';

/**
 * Objects of one client that need others: its windows, popups and subsurfaces, and their extensions. A window of a terminal
 * with decorations of its own has thirty, a browser some hundreds in all. As many as a VM may have subsurfaces.
 */
export const MAX_DEPENDENTS_PER_CLIENT = 4096;

const dependent = new Set<string>(Object.keys(LIVES));
const needed = new Set<string>(NEEDED);

/** For one connection; `asked`: see {@link Order.asked}. */
export function destructionOrder(asked: () => void): Order {
  return {
    places: MAX_DEPENDENTS_PER_CLIENT,
    isDependent: name => dependent.has(name),
    isNeeded: name => needed.has(name),
    needsOf,
    asked,
  };
}

function needsOf(name: string, call: Call): RelayObject[] {
  const args = call.args as Readonly<Record<string, RelayObject | undefined>>;
  const needs = LIVES[name as InterfaceName]?.needs.map(({ by }) => (by === 'maker' ? call.object : args[by])) ?? [];
  const { parent, surface } = args;
  // What a popup is above, and the window that something of its surface goes with.
  if (name === 'xdg_popup' && parent !== undefined) needs.push(knownLife(parent)?.roleObject);
  else if (surface !== undefined) needs.push(toplevelOf(surface));
  return needs.filter(need => need !== undefined);
}
