/** Values that a protocol forbids are its own error and never reach the compositor; those beside them pass. */
import t, { type Test } from 'tap';
import { firewall, SharedFirewall, VmFirewall } from '../../src/firewall/firewall.js';
import { MAX_BUFFER_SCALE } from '../../src/firewall/values.js';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import type { WireValue } from '../../src/wayland/wire.js';
import { settle } from '../relay/peer.js';
import { between, bindAll } from '../relay/relay-between.js';

const GLOBALS = [
  ['wl_compositor', 6],
  ['wl_shm', 1],
  ['xdg_wm_base', 6],
  ['wp_viewporter', 1],
  ['wl_data_device_manager', 3],
  ['zxdg_decoration_manager_v1', 1],
  ['wl_seat', 5],
  ['wp_cursor_shape_manager_v1', 2],
] as const;
const POOL_BYTES = 1 << 20;

/** A client behind a firewall, with one object of each interface. */
async function walled(t: Test) {
  const wall = firewall(new VmFirewall('work'), new SharedFirewall());
  const b = await between(t, { concerns: wall.concerns, ...wall.rules, injected: 0 });
  wall.attach(b.relay);
  const { client } = b;
  const bound = bindAll(b, GLOBALS);
  const surface = client.make(bound.wl_compositor, 'create_surface');
  const xdg = client.make(bound.xdg_wm_base, 'get_xdg_surface', ['new', surface]);
  const toplevel = client.make(xdg, 'get_toplevel');
  const pointer = client.make(bound.wl_seat, 'get_pointer');
  const memory = new OwnedFd(native.memfd('test', POOL_BYTES, 0));
  const pool = client.make(bound.wl_shm, 'create_pool', ['new', memory, POOL_BYTES]);
  const objects = {
    ...bound,
    wl_surface: surface,
    xdg_surface: xdg,
    xdg_toplevel: toplevel,
    wl_shm_pool: pool,
    xdg_positioner: client.make(bound.xdg_wm_base, 'create_positioner'),
    wp_viewport: client.make(bound.wp_viewporter, 'get_viewport', ['new', surface]),
    zxdg_toplevel_decoration_v1: client.make(bound.zxdg_decoration_manager_v1, 'get_toplevel_decoration', [
      'new',
      toplevel,
    ]),
    wl_data_source: client.make(bound.wl_data_device_manager, 'create_data_source'),
    wp_cursor_shape_device_v1: client.make(bound.wp_cursor_shape_manager_v1, 'get_pointer', ['new', pointer]),
  };
  await settle();
  return { ...b, objects };
}

type Interface = keyof Awaited<ReturnType<typeof walled>>['objects'];
interface Rule {
  readonly of: Interface;
  readonly request: string;
  /** Error of the object. */
  readonly code: number;
  readonly good: readonly (readonly WireValue[])[];
  readonly bad: readonly (readonly WireValue[])[];
}

const INT_MAX = 0x7fffffff;
/** wl_shm.format: argb8888, and RGB565 and BGR888 of drm_fourcc.h; one that is no code at all. */
const [ARGB, RGB565, BGR888, NONE] = [0, 0x36314752, 0x34324742, 0x12345678];
const rule = (of: Interface, request: string, code: number, good: Rule['good'], bad: Rule['bad']): Rule => ({
  of,
  request,
  code,
  good,
  bad,
});

const RULES: readonly Rule[] = [
  rule(
    'wl_surface',
    'attach',
    3,
    [[undefined, 0, 0]],
    [
      [undefined, 1, 0],
      [undefined, 0, -1],
    ],
  ),
  rule('wl_surface', 'set_buffer_scale', 0, [[1], [MAX_BUFFER_SCALE]], [[0], [-1], [MAX_BUFFER_SCALE + 1], [INT_MAX]]),
  rule('wl_surface', 'set_buffer_transform', 1, [[0], [7]], [[8], [-1]]),
  rule(
    'wp_viewport',
    'set_source',
    0,
    [
      [0, 0, 1, 1],
      [-1, -1, -1, -1],
    ],
    [
      [-1, 0, 1, 1],
      [0, 0, 0, 1],
      [0, 0, 1, -1],
    ],
  ),
  rule(
    'wp_viewport',
    'set_destination',
    0,
    [
      [1, 1],
      [-1, -1],
    ],
    [
      [0, 1],
      [1, 0],
      [-1, 1],
      [-2, -2],
    ],
  ),
  rule(
    'xdg_positioner',
    'set_size',
    0,
    [[1, 1]],
    [
      [0, 1],
      [1, 0],
      [-1, 1],
    ],
  ),
  rule(
    'xdg_positioner',
    'set_anchor_rect',
    0,
    [
      [0, 0, 0, 0],
      [-5, -5, 1, 1],
    ],
    [
      [0, 0, -1, 0],
      [0, 0, 0, -1],
    ],
  ),
  rule('xdg_positioner', 'set_anchor', 0, [[0], [8]], [[9]]),
  rule('xdg_positioner', 'set_gravity', 0, [[0], [8]], [[9]]),
  rule(
    'xdg_surface',
    'set_window_geometry',
    5,
    [[-1, -1, 1, 1]],
    [
      [0, 0, 0, 1],
      [0, 0, 1, -1],
    ],
  ),
  rule(
    'xdg_toplevel',
    'set_min_size',
    2,
    [
      [0, 0],
      [1, 1],
    ],
    [
      [-1, 0],
      [0, -1],
    ],
  ),
  rule(
    'xdg_toplevel',
    'set_max_size',
    2,
    [
      [0, 0],
      [1, 1],
    ],
    [
      [-1, 0],
      [0, -1],
    ],
  ),
  rule('zxdg_toplevel_decoration_v1', 'set_mode', 3, [[1], [2]], [[0], [3]]),
  rule(
    'wp_cursor_shape_device_v1',
    'set_shape',
    1,
    [
      [0, 1],
      [0, 34],
    ],
    [
      [0, 0],
      [0, 99],
    ],
  ),
  rule('wl_data_source', 'set_actions', 0, [[7]], [[8], [0xffffffff]]),
  rule(
    'wl_shm_pool',
    'create_buffer',
    1,
    [
      ['new', 0, 64, 64, 256, ARGB],
      ['new', 4, 1, 1, 4, ARGB],
      ['new', 0, 64, 64, 128, RGB565],
      ['new', 0, 64, 64, 192, BGR888],
    ],
    [
      ['new', 0, 64, 64, 64, ARGB],
      ['new', 0, 64, 64, 255, ARGB],
      ['new', 0, 64, 64, 127, RGB565],
      ['new', 0, 64, 64, 191, BGR888],
      ['new', -1, 64, 64, 256, ARGB],
      ['new', 0, 0, 64, 256, ARGB],
      ['new', 0, 64, 0, 256, ARGB],
      ['new', 0, 64, 64, -256, ARGB],
      ['new', 0, 1, INT_MAX, 4, ARGB],
    ],
  ),
  rule('wl_shm_pool', 'create_buffer', 0, [], [['new', 0, 64, 64, 256, NONE]]),
];

for (const { of, request, code, good, bad } of RULES) {
  t.test(`${of}.${request}`, async t => {
    const said = (args: readonly WireValue[], newId: () => number): readonly WireValue[] =>
      args.map(arg => (arg === 'new' ? newId() : arg));
    for (const args of good) {
      const { client, compositor, objects } = await walled(t);
      client.say(
        objects[of],
        request,
        said(args, () => client.newId()),
      );
      await settle();
      t.same(client.all('wl_display.error'), [], `${String(args)} is no mistake`);
      t.equal(compositor.faults.length, 0);
    }
    for (const args of bad) {
      const { client, compositor, objects } = await walled(t);
      const before = compositor.all(`${of}.${request}`).length;
      client.say(
        objects[of],
        request,
        said(args, () => client.newId()),
      );
      await client.isEnded();
      t.match(client.last('wl_display.error').args, [objects[of], code], `${String(args)} is one`);
      t.equal(compositor.all(`${of}.${request}`).length, before, 'of which the compositor does not hear');
    }
  });
}
