/** What is known of windows across connections goes with them. The compositor is a stand-in. */
import t, { type Test } from 'tap';
import { SharedFirewall, VmFirewall } from '../../src/firewall/firewall.js';
import { knownLife } from '../../src/firewall/life.js';
import { settle } from '../relay/peer.js';
import { madeBy } from '../relay/relay-between.js';
import { behindWall } from './walled.js';

const GLOBALS = [
  ['wl_compositor', 4],
  ['xdg_wm_base', 3],
  ['zxdg_exporter_v2', 1],
  ['zxdg_importer_v2', 1],
] as const;

/** A client with a window, which it exports. */
async function exporting(t: Test, shared: SharedFirewall, vm: string) {
  const b = await behindWall(t, GLOBALS, new VmFirewall(vm), shared);
  const { client, bound, compositor } = b;
  const surface = client.make(bound.wl_compositor, 'create_surface');
  const xdg = client.make(bound.xdg_wm_base, 'get_xdg_surface', ['new', surface]);
  const toplevel = client.make(xdg, 'get_toplevel');
  await client.roundtrip();
  return {
    ...b,
    surface,
    toplevel,
    /** Exports the window, and lets it be told that handle. */
    exports: async (handle: string): Promise<number> => {
      const exported = client.make(bound.zxdg_exporter_v2, 'export_toplevel', ['new', surface]);
      await client.roundtrip();
      compositor.say(madeBy(compositor, 'zxdg_exporter_v2.export_toplevel'), 'handle', [handle]);
      await settle();
      return exported;
    },
    imports: async (handle: string): Promise<void> => {
      const imported = client.make(bound.zxdg_importer_v2, 'import_toplevel', ['new', handle]);
      client.say(imported, 'set_parent_of', [surface]);
      await client.roundtrip();
    },
  };
}

t.test('handles are known as long as their window is exported', async t => {
  const shared = new SharedFirewall();
  const { client, toplevel, exports } = await exporting(t, shared, 'work');
  const one = await exports('one');
  await exports('two');
  t.same([...shared.exports.keys()], ['one', 'two']);
  client.say(one, 'destroy');
  await client.roundtrip();
  t.same([...shared.exports.keys()], ['two'], 'until the export is withdrawn');
  client.say(toplevel, 'destroy');
  await client.roundtrip();
  t.equal(shared.exports.size, 0, 'or the window goes');
});

t.test('a client that leaves leaves no handle behind', async t => {
  const shared = new SharedFirewall();
  for (let i = 0; i < 3; i++) {
    const { client, exports } = await exporting(t, shared, 'work');
    await exports(`handle ${i}`);
    t.equal(shared.exports.size, 1);
    client.close();
    await settle(24);
  }
  t.equal(shared.exports.size, 0);
});

t.test('a window whose parent was another client’s has none when that has left', async t => {
  const shared = new SharedFirewall();
  const parent = await exporting(t, shared, 'work');
  await parent.exports('handle');
  const child = await exporting(t, shared, 'play');
  await child.imports('handle');
  const life = knownLife(child.relay.clientObject(child.toplevel)!)!;
  t.not(life.parent, undefined);
  parent.client.close();
  await settle(24);
  t.equal(life.parent, undefined);
  t.same([child.client.all('wl_display.error'), child.compositor.faults], [[], []]);
});
