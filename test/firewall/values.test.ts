/**
 * Values that a protocol forbids are its own error and never reach the compositor; those beside them pass. Where the
 * protocol has no error, places are moved to where a compositor can count on them, and hints that nobody knows are left out.
 */
import t, { type Test } from 'tap';
import { MAX_PLACE } from '../../src/firewall/value-rules.js';
import { MAX_BUFFER_SCALE, VALUE_RULES } from '../../src/firewall/values.js';
import { CAPTURE_GLOBALS, REMOTE_GLOBALS, SHORTCUTS_GLOBALS } from '../../src/relay/globals.js';
import { interfaces } from '../../src/wayland/protocols/index.js';
import type { WireValue } from '../../src/wayland/wire.js';
import { settle } from '../relay/peer.js';
import { GLOBALS, makeObjects, RULES, say, type Interface, type Said } from './value-cases.js';
import { behindWall } from './walled.js';

/** A client behind a firewall, with one object of each interface. */
async function walled(t: Test) {
  const b = await behindWall(t, GLOBALS);
  const objects = await makeObjects(b.client, name => b.bound[name]);
  return { ...b, objects };
}

for (const { of, request, code, good, bad } of RULES) {
  t.test(`${of}.${request}`, async t => {
    for (const args of good) {
      const { client, compositor, objects } = await walled(t);
      say(client, objects, of, request, args);
      await settle();
      t.same(client.all('wl_display.error'), [], `${JSON.stringify(args)} is no mistake`);
      t.equal(compositor.faults.length, 0);
    }
    for (const args of bad) {
      const { client, compositor, objects } = await walled(t);
      const before = compositor.all(`${of}.${request}`).length;
      say(client, objects, of, request, args);
      await client.isEnded();
      t.match(client.last('wl_display.error').args, [objects.get(of), code], `${JSON.stringify(args)} is one`);
      t.equal(compositor.all(`${of}.${request}`).length, before, 'of which the compositor does not hear');
    }
  });
}

const INT_MAX = 0x7fffffff;
const INT_MIN = -0x80000000;
const ALL_BITS = 0xffffffff;

/** And what the compositor hears instead. */
const MOVED: readonly (readonly [Interface, string, readonly Said[], readonly WireValue[]])[] = [
  ['wl_subsurface', 'set_position', [INT_MAX, INT_MIN], [MAX_PLACE, -MAX_PLACE]],
  ['wl_subsurface', 'set_position', [MAX_PLACE, -MAX_PLACE], [MAX_PLACE, -MAX_PLACE]],
  ['wl_surface', 'damage', [5, -3, INT_MAX, INT_MAX], [5, -3, MAX_PLACE - 5, MAX_PLACE + 3]],
  ['wl_surface', 'damage', [INT_MIN, 0, INT_MAX, 1], [-MAX_PLACE, 0, MAX_PLACE - 1, 1]],
  ['wl_surface', 'damage_buffer', [0, 0, MAX_PLACE, 1], [0, 0, MAX_PLACE, 1]],
  ['wp_viewport', 'set_destination', [INT_MAX, 1], [MAX_PLACE, 1]],
  ['xdg_surface', 'set_window_geometry', [INT_MIN, INT_MAX, INT_MAX, 1], [-MAX_PLACE, MAX_PLACE, MAX_PLACE, 1]],
  ['xdg_positioner', 'set_size', [INT_MAX, MAX_PLACE + 1], [MAX_PLACE, MAX_PLACE]],
  ['xdg_positioner', 'set_anchor_rect', [INT_MIN, INT_MAX, INT_MAX, 0], [-MAX_PLACE, MAX_PLACE, MAX_PLACE, 0]],
  ['xdg_positioner', 'set_offset', [INT_MIN, INT_MAX], [-MAX_PLACE, MAX_PLACE]],
  ['xdg_positioner', 'set_parent_size', [-1, INT_MAX], [0, MAX_PLACE]],
  ['xdg_positioner', 'set_constraint_adjustment', [ALL_BITS], [63]],
  ['xdg_toplevel', 'set_max_size', [INT_MAX, 0], [MAX_PLACE, 0]],
  ['xdg_toplevel', 'set_min_size', [0, INT_MAX], [0, MAX_PLACE]],
  ['zwp_text_input_v3', 'set_cursor_rectangle', [INT_MIN, INT_MAX, -1, INT_MAX], [-MAX_PLACE, MAX_PLACE, 0, MAX_PLACE]],
  ['zwp_text_input_v3', 'set_content_type', [ALL_BITS, 13], [0x3ff, 13]],
  ['zwp_text_input_v3', 'set_content_type', [0, 14], [0, 0]],
  ['zwp_text_input_v3', 'set_text_change_cause', [2], [1]],
  ['xdg_toplevel_icon_v1', 'add_buffer', [{ of: 'wl_buffer' }, -1], [1]],
  ['xdg_toplevel_icon_v1', 'add_buffer', [{ of: 'wl_buffer' }, INT_MAX], [MAX_BUFFER_SCALE]],
  [
    'zwlr_screencopy_manager_v1',
    'capture_output_region',
    ['new', 7, { of: 'wl_output' }, INT_MIN, INT_MAX, 0, INT_MAX],
    [-MAX_PLACE, MAX_PLACE, 1, MAX_PLACE],
  ],
  ...['lock_pointer', 'confine_pointer'].flatMap(request =>
    [
      [0, 2],
      [1, 1],
      [2, 2],
      [ALL_BITS, 2],
    ].map(([lifetime, received]): (typeof MOVED)[number] => [
      'zwp_pointer_constraints_v1',
      request,
      ['new', { of: 'wl_surface' }, { of: 'wl_pointer' }, undefined, lifetime!],
      [received!],
    ]),
  ),
];

const LEFT_OUT: readonly (readonly [Interface, string, readonly Said[]])[] = [
  ['wl_surface', 'damage', [0, 0, 0, 1]],
  ['wl_surface', 'damage', [MAX_PLACE, 0, 1, 1]],
  ['wl_surface', 'damage_buffer', [0, 0, 1, -1]],
  ['wp_content_type_v1', 'set_content_type', [4]],
  ['wp_tearing_control_v1', 'set_presentation_hint', [2]],
  ['org_kde_kwin_server_decoration', 'request_mode', [3]],
];

t.test('places that nobody can see are moved, numbers that nobody knows are taken for others', async t => {
  for (const [of, request, args, received] of MOVED) {
    const { client, compositor, objects } = await walled(t);
    // A text input says nothing to a compositor before it has the focus.
    if (of === 'zwp_text_input_v3') focus(compositor);
    await settle();
    say(client, objects, of, request, args);
    await settle();
    const last = compositor.last(`${of}.${request}`).args.slice(-received.length);
    t.same(last, received, `${of}.${request} ${JSON.stringify(args)}`);
    t.same([client.all('wl_display.error'), compositor.faults], [[], []]);
  }
});

/** The compositor lets the client's text input have the focus. */
function focus(compositor: Awaited<ReturnType<typeof walled>>['compositor']): void {
  const surface = compositor.all('wl_compositor.create_surface')[0]!.args[0] as number;
  compositor.say(compositor.last('zwp_text_input_manager_v3.get_text_input').args[0] as number, 'enter', [surface]);
}

t.test('what says nothing is left out', async t => {
  const { client, compositor, objects } = await walled(t);
  for (const [of, request, args] of LEFT_OUT) {
    const before = compositor.all(`${of}.${request}`).length;
    say(client, objects, of, request, args);
    await settle();
    t.equal(compositor.all(`${of}.${request}`).length, before, `${of}.${request} ${JSON.stringify(args)}`);
  }
  t.same([client.all('wl_display.error'), compositor.faults], [[], []]);
});

t.test('regions end where surfaces may', async t => {
  const { client, compositor, objects } = await walled(t);
  const region = objects.get('wl_region')!;
  client.say(region, 'add', [INT_MIN, INT_MIN, INT_MAX, INT_MAX]);
  client.say(region, 'add', [-5, 7, INT_MAX, INT_MAX]);
  client.say(region, 'subtract', [0, 0, 1, 0]);
  client.say(region, 'subtract', [0, 0, 1, -7]);
  client.say(objects.get('wl_surface')!, 'set_input_region', [region]);
  await settle();
  const received = compositor.received
    .filter(({ name }) => /wl_region\.(add|subtract)/.test(name))
    .map(({ args }) => args);
  t.same(received, [
    [-MAX_PLACE, -MAX_PLACE, MAX_PLACE - 1, MAX_PLACE - 1],
    [-5, 7, MAX_PLACE + 5, MAX_PLACE - 7],
  ]);
});

t.test('surfaces move no further than compositors can count', async t => {
  const { client, compositor, objects } = await walled(t);
  const surface = objects.get('wl_surface')!;
  for (const [dx, received] of [
    [INT_MAX, [MAX_PLACE, 3]],
    [1, undefined],
    [-MAX_PLACE, [-MAX_PLACE, 3]],
    [1, [1, 3]],
  ] as const) {
    const before = compositor.all('wl_surface.offset').length;
    client.say(surface, 'offset', [dx, 3]);
    await settle();
    t.same(compositor.all('wl_surface.offset').at(before)?.args, received, `by ${dx}`);
  }
});

t.test('shapes of the pointer are those of the version', async t => {
  for (const [version, shape, good] of [
    [1, 34, true],
    [1, 35, false],
    [2, 36, true],
    [2, 37, false],
  ] as const) {
    const { client, objects } = await walled(t);
    const { client: old, registry } = { client, registry: 2 };
    const at = GLOBALS.findIndex(([name]) => name === 'wp_cursor_shape_manager_v1') + 1;
    const manager = old.bind(registry, at, 'wp_cursor_shape_manager_v1', version);
    const device = old.make(manager, 'get_pointer', ['new', objects.get('wl_pointer')!]);
    old.say(device, 'set_shape', [0, shape]);
    if (good) {
      await client.roundtrip();
      t.same(client.all('wl_display.error'), [], `${shape} is one of version ${version}`);
    } else {
      await client.isEnded();
      t.match(client.last('wl_display.error').args, [device, 1], `${shape} is none of version ${version}`);
    }
  }
});

/**
 * Numbers that have no rule in `values.ts`, and why: what an object is made of, what a compositor only compares or stores,
 * and what another room bounds.
 */
const FREE: Readonly<Record<string, string>> = {
  serial: 'compared, by serials.ts where it allows something',
  'wl_registry.bind.name': 'looked up by globals.ts',
  'wl_fixes.ack_global_remove.name': 'not carried: a request of version 2',
  'wl_pointer.set_cursor.hotspot_x': 'bounded by pointer-images.ts',
  'wl_pointer.set_cursor.hotspot_y': 'bounded by pointer-images.ts',
  'zwp_tablet_tool_v2.set_cursor.hotspot_x': 'bounded by pointer-images.ts',
  'zwp_tablet_tool_v2.set_cursor.hotspot_y': 'bounded by pointer-images.ts',
  'zwp_tablet_pad_v2.set_feedback.button': 'looked up',
  'xdg_popup.reposition.token': 'given back',
  'wp_alpha_modifier_surface_v1.set_multiplier.factor': 'all 32 bits of it are one',
  'wp_single_pixel_buffer_manager_v1.create_u32_rgba_buffer.r': 'all 32 bits of it are a colour',
  'wp_single_pixel_buffer_manager_v1.create_u32_rgba_buffer.g': 'all 32 bits of it are a colour',
  'wp_single_pixel_buffer_manager_v1.create_u32_rgba_buffer.b': 'all 32 bits of it are a colour',
  'wp_single_pixel_buffer_manager_v1.create_u32_rgba_buffer.a': 'all 32 bits of it are a colour',
  'zwp_locked_pointer_v1.set_cursor_position_hint.surface_x': 'a fixed has 24 bits, which fit in any sum',
  'zwp_locked_pointer_v1.set_cursor_position_hint.surface_y': 'a fixed has 24 bits, which fit in any sum',
  'ext_idle_notifier_v1.get_idle_notification.timeout': 'bounded by idle.ts',
  'ext_idle_notifier_v1.get_input_idle_notification.timeout': 'bounded by idle.ts',
  'wl_shm_pool.resize.size': 'bounded by the pool, in the glue',
  'zwlr_screencopy_manager_v1.capture_output.overlay_cursor': 'no or yes',
};

/** Requests that are looked at by handlers of their own; everything in them is. */
const WHOLE = new Set([
  'wl_surface.attach',
  'wl_surface.damage',
  'wl_surface.damage_buffer',
  'wl_region.add',
  'wl_region.subtract',
  'wl_shm_pool.create_buffer',
  'wp_viewport.set_source',
  'wp_viewport.set_destination',
  'wl_data_source.set_actions',
  'wl_data_offer.set_actions',
  'zwp_text_input_v3.set_surrounding_text',
]);

t.test('every number of every request that passes has a rule, or a reason to have none', t => {
  const names = new Set([...REMOTE_GLOBALS.keys(), ...CAPTURE_GLOBALS.keys(), ...SHORTCUTS_GLOBALS.keys()]);
  names.add('wl_registry');
  for (const name of names) {
    const type = interfaces.get(name)!;
    for (const { objectArgs } of [...type.requests, ...type.events])
      for (const { kind, interface: made } of objectArgs) if (kind === 'new_id') names.add(made!);
  }
  const without: string[] = [];
  for (const name of names) {
    for (const message of interfaces.get(name)!.requests) {
      const request = `${name}.${message.name}`;
      for (const arg of message.args) {
        if (!['int', 'uint', 'fixed'].includes(arg.kind) || WHOLE.has(request)) continue;
        if (arg.name in FREE || `${request}.${arg.name}` in FREE || ruled(name, message.name, arg.name)) continue;
        without.push(`${request}.${arg.name}`);
      }
    }
  }
  t.same(without, []);
  t.end();
});

function ruled(name: string, request: string, arg: string): boolean {
  const rules = VALUE_RULES as Readonly<Record<string, Readonly<Record<string, object>>>>;
  return arg in (rules[name]?.[request] ?? {});
}
