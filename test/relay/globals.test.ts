/** What a client in another VM gets to see, and what could reach it from there. */
import t from 'tap';
import {
  allowOnly,
  CAPTURE_GLOBALS,
  globalsConcern,
  NOT_CARRIED,
  REMOTE_GLOBALS,
  SHORTCUTS_GLOBALS,
} from '../../src/relay/globals.js';
import { GlobalTable, MAX_GLOBALS, MAX_REMOVED_GLOBALS, type Global } from '../../src/wayland/global-table.js';
import type { Interface } from '../../src/wayland/interface.js';
import { interfaces } from '../../src/wayland/protocols/index.js';
import { WlDisplayError } from '../../src/wayland/protocols/wayland.js';
import { MAX_OBJECT_ARGS } from '../../src/wayland/wire.js';
import { settle, type Peer } from './peer.js';
import { between, madeBy } from './relay-between.js';

/** Every interface of which a client can get an object, beginning with these. */
function reachable(from: Iterable<string>): Map<string, Interface> {
  const found = new Map<string, Interface>();
  const queue = [...from];
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    if (found.has(name)) continue;
    const type = interfaces.get(name);
    if (type === undefined) throw new Error(`no table for ${name}`);
    found.set(name, type);
    for (const message of [...type.requests, ...type.events]) {
      for (const arg of message.args) if (arg.interface !== undefined) queue.push(arg.interface);
    }
  }
  return found;
}

const all = reachable(REMOTE_GLOBALS.keys());

t.test('the list', async t => {
  t.test('names interfaces that the tables describe in the version that is let through', async t => {
    for (const [name, version] of REMOTE_GLOBALS) {
      const type = interfaces.get(name);
      t.ok(type !== undefined && version >= 1 && version <= type.version, `${name} ${version} of ${type?.version}`);
    }
  });

  t.test('is complete: every global that there is a table for is on one list, or it is said why on none', async t => {
    const made = new Set(
      [...interfaces.values()]
        .flatMap(({ requests, events }) => [...requests, ...events])
        .flatMap(({ args }) => args.filter(({ kind }) => kind === 'new_id').map(arg => arg.interface)),
    );
    // Not globals: what everything begins with, what belongs to the link, and what a program gets out of band.
    const others = ['wl_display', 'virtwl_memory_v1', 'virtwl_clock_v1', 'wp_image_description_reference_v1'];
    const lists = [REMOTE_GLOBALS, CAPTURE_GLOBALS, SHORTCUTS_GLOBALS, NOT_CARRIED];
    const globals = [...interfaces.keys()].filter(name => !made.has(name) && !others.includes(name));
    t.ok(globals.length > 50, `${globals.length} globals`);
    for (const name of globals) t.equal(lists.filter(list => list.has(name)).length, 1, name);
  });

  t.test('leads to nothing but what has a table', async t => {
    t.ok(all.size > REMOTE_GLOBALS.size);
    for (const [name, type] of all) t.equal(type.name, name);
  });

  t.test('leads to nothing that is privileged', async t => {
    const privileged = [...interfaces.keys()].filter(name =>
      /screencopy|image_copy|capture|virtual_(keyboard|pointer)|data_control|layer_shell|layer_surface|session_lock|foreign_toplevel|output_(power|management)|gamma|security_context|input_method|dmabuf|drm|workspace|transient_seat|shortcuts_inhibit|virtwl|input_timestamps|xwayland/.test(
        name,
      ),
    );
    t.ok(privileged.length > 20, `${privileged.length} interfaces checked`);
    t.same(
      privileged.filter(name => all.has(name)),
      [],
    );
    for (const name of ['wl_shell', 'zwp_linux_explicit_synchronization_v1']) t.notOk(all.has(name), name);
  });

  t.test('leads to fds only where they have a carrier', async t => {
    // A new one here needs a decision in AppConnection and RemoteClient: how does this fd come over the link?
    const withFds = [...all.values()].flatMap(type => [
      ...type.requests
        .filter(message => message.fds > 0)
        .map(message => `-> ${type.name}.${message.name} ${message.fds}`),
      ...type.events
        .filter(message => message.fds > 0)
        .map(message => `<- ${type.name}.${message.name} ${message.fds}`),
    ]);
    t.same(withFds.sort(), [
      '-> gtk_primary_selection_offer.receive 1',
      '-> wl_data_offer.receive 1',
      '-> wl_shm.create_pool 1',
      '-> zwp_primary_selection_offer_v1.receive 1',
      '<- gtk_primary_selection_source.send 1',
      '<- wl_data_source.send 1',
      '<- wl_keyboard.keymap 1',
      '<- zwp_primary_selection_source_v1.send 1',
    ]);
    t.same(
      [...all.values()].filter(type => type.events.some(({ name }) => name === 'keymap')).map(type => type.name),
      ['wl_keyboard'],
    );
  });

  t.test('leads to buffers only where a concern copies or makes them', async t => {
    // A concern that takes a wl_buffer must know that an application's own never leaves the proxy.
    const takes = [...all.values()].flatMap(type =>
      type.requests
        .filter(({ args }) => args.some(arg => arg.kind === 'object' && arg.interface === 'wl_buffer'))
        .map(({ name }) => `${type.name}.${name}`),
    );
    t.same(takes.sort(), ['wl_surface.attach', 'xdg_toplevel_icon_v1.add_buffer']);
    const makes = [...all.values()].flatMap(type =>
      type.requests
        .filter(({ args }) => args.some(arg => arg.kind === 'new_id' && arg.interface === 'wl_buffer'))
        .map(({ name }) => `${type.name}.${name}`),
    );
    t.same(makes.sort(), ['wl_shm_pool.create_buffer', 'wp_single_pixel_buffer_manager_v1.create_u32_rgba_buffer']);
  });

  t.test('leads to no message with more ids than there is room for, and none that makes two objects', async t => {
    for (const type of all.values()) {
      for (const message of [...type.requests, ...type.events]) {
        t.ok(message.objectArgs.length <= MAX_OBJECT_ARGS);
        t.ok(message.objectArgs.filter(arg => arg.kind !== 'object').length <= 1, `${type.name}.${message.name}`);
      }
    }
  });
});

t.test('a policy takes the smaller version, and 0 for what is not on its list', async t => {
  const policy = allowOnly(new Map([['wl_seat', 5]]));
  t.equal(policy('wl_seat', 9), 5);
  t.equal(policy('wl_seat', 5), 5);
  t.equal(policy('wl_seat', 1), 1);
  t.equal(policy('wl_seat', 0), 0);
  t.equal(policy('zwlr_screencopy_manager_v1', 3), 0);
});

t.test('a registry', async t => {
  const connect = async (extra: readonly Global[] = []) => {
    const own: Global[] = [];
    const b = await between(t, {
      concerns: [globalsConcern(allowOnly(REMOTE_GLOBALS), global => own.push(global), extra)],
    });
    const theirs = madeBy(b.compositor, 'wl_display.get_registry');
    const say = (name: number, iface: string, version: number): void =>
      b.compositor.say(theirs, 'global', [name, iface, version]);
    return { ...b, theirs, say, own };
  };
  const announced = (client: Peer): unknown[] => client.all('wl_registry.global').map(({ args }) => args);

  t.test('announces what is allowed, in the version that is, and hides everything else', async t => {
    const b = await connect();
    b.say(1, 'wl_compositor', 6);
    b.say(2, 'zwlr_screencopy_manager_v1', 3);
    b.say(3, 'wl_seat', 99);
    b.say(4, 'wl_output', 2);
    b.say(5, 'no_such_interface', 1);
    b.say(6, 'virtwl_memory_v1', 1);
    b.say(7, 'wl_shm', 0);
    await settle();
    t.same(announced(b.client), [
      [1, 'wl_compositor', 6],
      [3, 'wl_seat', 9],
      [4, 'wl_output', 2],
    ]);
    b.compositor.say(b.theirs, 'global_remove', [2]);
    b.compositor.say(b.theirs, 'global_remove', [4]);
    b.compositor.say(b.theirs, 'global_remove', [77]);
    await settle();
    t.same(
      b.client.all('wl_registry.global_remove').map(({ args }) => args),
      [[4]],
    );
    const late = b.client.bind(b.registry, 4, 'wl_output', 2);
    b.client.say(late, 'release');
    await b.client.isEnded();
    t.match(b.client.last('wl_display.error').args[2], /invalid method/, 'release is newer than 2: bound all the same');
    t.equal(b.compositor.all('wl_registry.bind').length, 1, 'a bind may be on its way when a global goes');
  });

  for (const [what, name, iface, version] of [
    ['a hidden global', 2, 'zwlr_screencopy_manager_v1', 3],
    ['a hidden global under an allowed name', 1, 'zwlr_screencopy_manager_v1', 1],
    ['an allowed interface under a hidden name', 2, 'wl_compositor', 1],
    ['a name that there is not', 9, 'wl_compositor', 1],
    ['another interface than announced', 1, 'wl_seat', 1],
    ['an interface without a table', 1, 'no_such_interface', 1],
    ['a newer version than announced', 1, 'wl_compositor', 5],
    ['version 0', 1, 'wl_compositor', 0],
    ['the highest version', 1, 'wl_compositor', 0xffffffff],
    ['an empty interface', 1, '', 1],
    ['an interface of objects', 1, 'constructor', 1],
  ] as const) {
    t.test(`refuses ${what}`, async t => {
      const b = await connect();
      b.say(1, 'wl_compositor', 4);
      b.say(2, 'zwlr_screencopy_manager_v1', 3);
      await settle();
      b.client.bind(b.registry, name, iface, version);
      await b.client.isEnded();
      t.match(b.client.last('wl_display.error').args, [b.registry, WlDisplayError.invalid_object, /invalid global/]);
      t.same(b.compositor.all('wl_registry.bind'), []);
    });
  }

  t.test('does not mistake a hidden global for one that had its name before', async t => {
    const b = await connect();
    b.say(1, 'wl_output', 4);
    b.compositor.say(b.theirs, 'global_remove', [1]);
    b.say(1, 'zwlr_screencopy_manager_v1', 3);
    await settle();
    b.client.bind(b.registry, 1, 'wl_output', 4);
    await b.client.isEnded();
    t.match(b.client.last('wl_display.error').args[2], /invalid global/);
  });

  t.test('can be destroyed', async t => {
    const b = await connect();
    b.say(1, 'wl_fixes', 2);
    b.say(2, 'wl_seat', 5);
    await settle();
    t.same(announced(b.client)[0], [1, 'wl_fixes', 1], 'in the version that asks nothing of those who see less');
    const fixes = b.client.bind(b.registry, 1, 'wl_fixes', 1);
    const other = b.client.make(1, 'get_registry');
    await settle();
    b.client.say(fixes, 'destroy_registry', [other]);
    await settle();
    const [theirs] = b.compositor.last('wl_fixes.destroy_registry').args as number[];
    t.equal(theirs, madeBy(b.compositor, 'wl_display.get_registry'));
    // What is said of globals before the compositor knows is of no use any more, and no mistake either.
    b.compositor.say(theirs!, 'global', [3, 'wl_output', 4]);
    b.compositor.say(1, 'delete_id', [theirs]);
    await b.client.receives('wl_display.delete_id');
    t.same(b.client.last('wl_display.delete_id').args, [other]);
    t.same(b.ends, []);
    b.client.say(fixes, 'destroy_registry', [other]);
    await b.client.isEnded();
    t.match(b.client.last('wl_display.error').args[2], /invalid object/, 'once');
  });

  t.test('may announce so many globals, and more is the end of that connection', async t => {
    const b = await connect();
    for (let name = 0; name < MAX_GLOBALS; name++) {
      b.say(name, 'wl_output', 4);
      b.say(MAX_GLOBALS + name, 'zwlr_layer_shell_v1', 4);
    }
    await b.client.receives('wl_registry.global', MAX_GLOBALS);
    b.say(0, 'wl_seat', 5);
    await settle();
    t.same(b.ends, [], 'hidden ones cost nothing, and a name that is used again is no more');
    b.say(2 * MAX_GLOBALS, 'wl_output', 4);
    await b.client.isEnded();
    t.match(b.ends, [/announced over 1024 globals/]);
  });

  t.test('may announce and remove without end', async t => {
    const b = await connect();
    for (let name = 0; name < 3 * MAX_GLOBALS; name++) {
      b.say(name, 'wl_output', 4);
      b.compositor.say(b.theirs, 'global_remove', [name]);
      if (name % 100 === 0) await settle(2);
    }
    const last = 3 * MAX_GLOBALS - 1;
    await b.client.receives('wl_registry.global_remove', 3 * MAX_GLOBALS);
    b.client.bind(b.registry, last - MAX_REMOVED_GLOBALS + 1, 'wl_output', 4);
    await b.client.roundtrip();
    t.equal(b.compositor.all('wl_registry.bind').length, 1, 'the newest that are gone are still known');
    b.client.bind(b.registry, last - MAX_REMOVED_GLOBALS, 'wl_output', 4);
    await b.client.isEnded();
    t.match(b.client.last('wl_display.error').args[2], /invalid global/, 'older ones are not');
  });

  t.test('of the relay itself gets every event, and the client none of them', async t => {
    const b = await connect([{ name: 100, interface: 'virtwl_memory_v1', version: 1 }]);
    const mine = b.relay.inject('wl_registry', 1);
    b.relay.request(b.relay.display, 'get_registry', { registry: mine });
    b.relay.flush();
    await settle();
    b.compositor.say(mine.serverId, 'global', [1, 'zwlr_screencopy_manager_v1', 3]);
    b.compositor.say(mine.serverId, 'global_remove', [100]);
    await settle();
    t.same(b.own, [{ name: 1, interface: 'zwlr_screencopy_manager_v1', version: 3 }]);
    t.same(b.client.all('wl_registry.global'), []);
    t.same(b.client.all('wl_registry.global_remove'), []);
    b.client.bind(b.registry, 100, 'virtwl_memory_v1', 2);
    await b.client.isEnded();
    t.match(
      b.client.last('wl_display.error').args[2],
      /invalid global virtwl_memory_v1/,
      'extra ones have their version too',
    );
  });

  t.test('costs little: a client may have thousands', async t => {
    const b = await connect();
    for (let i = 0; i < 10_000; i++) {
      b.client.make(1, 'get_registry');
      if (i % 500 === 0) await settle(3);
    }
    await b.client.roundtrip();
    for (const { args } of b.compositor.all('wl_display.get_registry')) {
      for (let i = 0; i < 3; i++) b.compositor.say(args[0] as number, 'global', [i, 'wl_seat', 5]);
    }
    await b.client.receives('wl_registry.global', 30_000);
    t.same(b.ends, []);
    t.ok(
      [...b.relay.objects()].every(({ data }) => data === undefined),
      'no registry has a book of its own',
    );
  });
});

t.test('a table of globals', async t => {
  const global = (name: number): Global => ({ name, interface: 'wl_output', version: 1 });
  const table = new GlobalTable();
  for (let name = 0; name < MAX_GLOBALS; name++) table.add(global(name));
  t.throws(() => table.add(global(MAX_GLOBALS)), /over 1024 globals/);
  t.doesNotThrow(() => table.add(global(5)), 'a name that is used again is no more');
  table.remove(7);
  table.remove(7);
  table.remove(MAX_GLOBALS);
  t.equal([...table].length, MAX_GLOBALS - 1);
  t.match(table.get(7), { name: 7 }, 'it is remembered');
  t.doesNotThrow(() => table.add(global(MAX_GLOBALS)), 'and is no more in the way');
  t.throws(() => table.add(global(7)), /over 1024 globals/, 'nor does it come back for nothing');
  table.delete(7);
  t.equal(table.get(7), undefined);
  t.equal([...table].length, MAX_GLOBALS);
});
