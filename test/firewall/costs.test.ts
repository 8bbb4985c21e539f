/** What requests cost a VM. */
import t from 'tap';
import { COSTS, costOf, OWN_COSTS } from '../../src/firewall/costs.js';
import type { RelayObject } from '../../src/relay/object-map.js';
import { messageNamed, type Message } from '../../src/wayland/interface.js';
import { interfaces } from '../../src/wayland/protocols/index.js';

function request(name: string): { object: RelayObject; message: Message | undefined } {
  const [of, request] = name.split('.') as [string, string];
  const known = interfaces.get(of);
  return { object: { interface: known } as RelayObject, message: known && messageNamed(known.requests, request) };
}

t.test('what has a price is a request', async t => {
  for (const name of [...Object.keys(COSTS), ...Object.keys(OWN_COSTS)]) {
    t.not(request(name).message, undefined, name);
  }
});

t.test('a request costs what it makes the compositor and us do', async t => {
  for (const [name, cost, own] of [
    ['wl_surface.damage', 1, 1],
    ['wl_surface.commit', 4, 4],
    // An object has its place in our tables.
    ['wl_compositor.create_surface', 1, 4],
    ['wl_surface.destroy', 1, 4],
    ['wl_display.get_registry', 16, 200],
    ['xdg_toplevel.set_title', 16, 40],
    ['xdg_toplevel.unset_fullscreen', 16, 16],
  ] as const) {
    const { object, message } = request(name);
    t.same(costOf(object, message!), { cost, own }, name);
    t.equal(costOf(object, message!), costOf(object, message!), 'and is looked up once');
  }
});
