/** Icons of windows: no larger than an icon is, and named, not placed. */
import t from 'tap';
import { MAX_ICON_NAME, MAX_ICON_SIDE } from '../../src/firewall/icons.js';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { GlueBetween } from '../compositor-glue/glue-between.js';
import { settle } from '../relay/peer.js';

const GLOBALS = [
  ['wl_shm', 1],
  ['xdg_toplevel_icon_manager_v1', 1],
] as const;

t.test('icons', async t => {
  const between = new GlueBetween({ globals: GLOBALS });
  t.teardown(() => between.close());
  const { client, compositor, registry } = await between.arrive('work');
  const shm = client.bind(registry, 1, 'wl_shm', 1);
  const icon = client.make(client.bind(registry, 2, 'xdg_toplevel_icon_manager_v1', 1), 'create_icon');

  t.test('have names, and no paths', async t => {
    const longest = 'x'.repeat(MAX_ICON_NAME);
    for (const name of ['firefox', 'org.gnome.Nautilus-symbolic', longest]) {
      client.say(icon, 'set_name', [name]);
      await settle(16);
      t.same(compositor.last('xdg_toplevel_icon_v1.set_name').args, [name]);
    }
    const passed = compositor.all('xdg_toplevel_icon_v1.set_name').length;
    for (const name of ['/dev/zero', '../../secret', 'a/b', `${longest}x`]) client.say(icon, 'set_name', [name]);
    await settle(16);
    t.equal(compositor.all('xdg_toplevel_icon_v1.set_name').length, passed);
  });

  t.test('are of bounded size', async t => {
    const add = async (side: number): Promise<number> => {
      const bytes = 4 * side * side;
      const pool = client.make(shm, 'create_pool', ['new', new OwnedFd(native.memfd('virtwl-icon', bytes, 0)), bytes]);
      const buffer = client.make(pool, 'create_buffer', ['new', 0, side, side, 4 * side, 0]);
      client.say(icon, 'add_buffer', [buffer, 1]);
      await settle(24);
      return compositor.all('xdg_toplevel_icon_v1.add_buffer').length;
    };
    t.equal(await add(MAX_ICON_SIDE), 1);
    t.equal(await add(MAX_ICON_SIDE + 1), 1);
  });

  await client.roundtrip();
  t.same(compositor.faults, []);
  t.same(between.left, []);
});
