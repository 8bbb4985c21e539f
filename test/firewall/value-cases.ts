/**
 * What may be said in requests, and what may not: for each rule values on both sides of it. They are tried at the firewall,
 * and at a compositor itself, which answers in the same way where it answers at all.
 */
import { MAX_BUFFER_SCALE, MAX_BUFFER_SIDE } from '../../src/firewall/values.js';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import type { WireValue } from '../../src/wayland/wire.js';
import { firstCommit } from '../relay/manners.js';
import type { Peer } from '../relay/peer.js';

/** The globals that the objects are made of, with the versions that a client of another VM may have. */
export const GLOBALS = [
  ['wl_compositor', 6],
  ['wl_subcompositor', 1],
  ['wl_shm', 1],
  ['xdg_wm_base', 6],
  ['wp_viewporter', 1],
  ['wl_data_device_manager', 3],
  ['zxdg_decoration_manager_v1', 1],
  ['org_kde_kwin_server_decoration_manager', 1],
  ['wl_seat', 5],
  ['wp_cursor_shape_manager_v1', 2],
  ['zwp_pointer_constraints_v1', 1],
  ['zwp_text_input_manager_v3', 1],
  ['wp_content_type_manager_v1', 1],
  ['wp_tearing_control_manager_v1', 1],
  ['wp_color_representation_manager_v1', 1],
  ['xdg_toplevel_icon_manager_v1', 1],
  ['zwlr_screencopy_manager_v1', 3],
  ['wl_output', 4],
] as const;
const POOL_BYTES = 1 << 20;

type Global = (typeof GLOBALS)[number][0];
export type Interface =
  | Global
  | 'wl_surface'
  | 'wl_subsurface'
  | 'wl_region'
  | 'wl_shm_pool'
  | 'wl_data_source'
  | 'xdg_surface'
  | 'xdg_toplevel'
  | 'xdg_positioner'
  | 'wp_viewport'
  | 'zxdg_toplevel_decoration_v1'
  | 'org_kde_kwin_server_decoration'
  | 'wp_cursor_shape_device_v1'
  | 'zwp_text_input_v3'
  | 'wp_content_type_v1'
  | 'wp_tearing_control_v1'
  | 'wp_color_representation_surface_v1'
  | 'xdg_toplevel_icon_v1';

/** How an object is made: by which global's or object's request, with which others. */
const MAKING: readonly (readonly [
  Interface,
  Interface,
  string,
  ...(readonly (WireValue | { readonly of: string })[]),
])[] = [
  ['wl_surface', 'wl_compositor', 'create_surface', 'new'],
  ['wl_region', 'wl_compositor', 'create_region', 'new'],
  ['wp_viewport', 'wp_viewporter', 'get_viewport', 'new', { of: 'wl_surface' }],
  ['wp_content_type_v1', 'wp_content_type_manager_v1', 'get_surface_content_type', 'new', { of: 'wl_surface' }],
  ['wp_tearing_control_v1', 'wp_tearing_control_manager_v1', 'get_tearing_control', 'new', { of: 'wl_surface' }],
  [
    'wp_color_representation_surface_v1',
    'wp_color_representation_manager_v1',
    'get_surface',
    'new',
    { of: 'wl_surface' },
  ],
  ['xdg_surface', 'xdg_wm_base', 'get_xdg_surface', 'new', { of: 'wl_surface' }],
  ['xdg_toplevel', 'xdg_surface', 'get_toplevel', 'new'],
  ['xdg_positioner', 'xdg_wm_base', 'create_positioner', 'new'],
  ['xdg_toplevel_icon_v1', 'xdg_toplevel_icon_manager_v1', 'create_icon', 'new'],
  [
    'zxdg_toplevel_decoration_v1',
    'zxdg_decoration_manager_v1',
    'get_toplevel_decoration',
    'new',
    { of: 'xdg_toplevel' },
  ],
  ['org_kde_kwin_server_decoration', 'org_kde_kwin_server_decoration_manager', 'create', 'new', { of: 'wl_surface' }],
  ['wl_data_source', 'wl_data_device_manager', 'create_data_source', 'new'],
  ['zwp_text_input_v3', 'zwp_text_input_manager_v3', 'get_text_input', 'new', { of: 'wl_seat' }],
];

/** Objects by their interfaces; those that the other side does not have are not there. */
export type Objects = ReadonlyMap<Interface | 'wl_pointer' | 'wl_buffer', number>;

/** One object of each interface that `bind` finds; `bind` returns undefined for a global that is not there. */
export async function makeObjects(
  client: Peer,
  bind: (name: Global, version: number) => number | undefined,
): Promise<Objects> {
  const objects = new Map<Interface | 'wl_pointer' | 'wl_buffer', number>();
  for (const [name, version] of GLOBALS) {
    const id = bind(name, version);
    if (id !== undefined) objects.set(name, id);
  }
  for (const [made, by, request, ...args] of MAKING) {
    const maker = objects.get(by);
    if (maker === undefined) continue;
    const given = args.map(arg => (typeof arg === 'object' && 'of' in arg ? objects.get(arg.of as Interface)! : arg));
    objects.set(made, client.make(maker, request, given));
  }
  const of = (name: Interface): number => objects.get(name)!;
  const child = client.make(of('wl_compositor'), 'create_surface');
  objects.set('wl_subsurface', client.make(of('wl_subcompositor'), 'get_subsurface', ['new', child, of('wl_surface')]));
  const memory = new OwnedFd(native.memfd('test', POOL_BYTES, 0));
  objects.set('wl_shm_pool', client.make(of('wl_shm'), 'create_pool', ['new', memory, POOL_BYTES]));
  objects.set('wl_buffer', client.make(of('wl_shm_pool'), 'create_buffer', ['new', 0, 16, 16, 64, 0]));
  await client.roundtrip();
  const has = client.all('wl_seat.capabilities').at(-1)?.args[0] as number | undefined;
  if (((has ?? 0) & 1) !== 0) {
    const pointer = client.make(of('wl_seat'), 'get_pointer');
    objects.set('wl_pointer', pointer);
    const shapes = objects.get('wp_cursor_shape_manager_v1');
    if (shapes !== undefined)
      objects.set('wp_cursor_shape_device_v1', client.make(shapes, 'get_pointer', ['new', pointer]));
  }
  await firstCommit(client, of('wl_surface'), of('xdg_surface'));
  await client.roundtrip();
  return objects;
}

/** An argument: a value, 'new' for an id of what is made, or one of the objects. */
export type Said = WireValue | { readonly of: Interface | 'wl_pointer' | 'wl_buffer' };

/** Says it; an argument that names an object is that object. */
export function say(client: Peer, objects: Objects, of: Interface, request: string, args: readonly Said[]): void {
  const values = args.map(arg => {
    if (arg === 'new') return client.newId();
    return typeof arg === 'object' && 'of' in arg ? objects.get(arg.of)! : arg;
  });
  client.say(objects.get(of)!, request, values);
}

export interface Rule {
  readonly of: Interface;
  readonly request: string;
  /** Error of the object. */
  readonly code: number;
  readonly good: readonly (readonly Said[])[];
  readonly bad: readonly (readonly Said[])[];
}

const INT_MAX = 0x7fffffff;
const SEAT = { of: 'wl_seat' } as const;
/** wl_shm.format: argb8888, and RGB565 and BGR888 of drm_fourcc.h; one that is no code at all. */
const [ARGB, RGB565, BGR888, NONE] = [0, 0x36314752, 0x34324742, 0x12345678];
const rule = (of: Interface, request: string, code: number, good: Rule['good'], bad: Rule['bad']): Rule => ({
  of,
  request,
  code,
  good,
  bad,
});

export const RULES: readonly Rule[] = [
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
  rule(
    'xdg_toplevel',
    'resize',
    0,
    [
      [SEAT, 0, 0],
      [SEAT, 0, 10],
    ],
    [
      [SEAT, 0, 3],
      [SEAT, 0, 11],
      [SEAT, 0, 0xffffffff],
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
  rule('wp_color_representation_surface_v1', 'set_alpha_mode', 1, [[0], [2]], [[3]]),
  rule(
    'wp_color_representation_surface_v1',
    'set_coefficients_and_range',
    2,
    [
      [1, 1],
      [8, 2],
    ],
    [
      [0, 1],
      [9, 1],
      [1, 0],
      [1, 3],
    ],
  ),
  rule('wp_color_representation_surface_v1', 'set_chroma_location', 5, [[1], [6]], [[0], [7]]),
  rule('wl_data_source', 'set_actions', 0, [[0], [7]], [[8], [0xffffffff]]),
  rule(
    'wl_shm_pool',
    'create_buffer',
    1,
    [
      ['new', 0, 64, 64, 256, ARGB],
      ['new', 4, 1, 1, 4, ARGB],
      ['new', 0, MAX_BUFFER_SIDE, 1, 4 * MAX_BUFFER_SIDE, ARGB],
      ['new', 0, 1, MAX_BUFFER_SIDE, 4, ARGB],
      ['new', 0, 64, 64, 128, RGB565],
      ['new', 0, 64, 64, 192, BGR888],
      ['new', 0, 2, 2, 12, ARGB],
      ['new', 0, 1, 2, 4, RGB565],
    ],
    [
      ['new', 0, 64, 64, 64, ARGB],
      ['new', 0, 64, 64, 255, ARGB],
      ['new', 0, 64, 64, 127, RGB565],
      ['new', 0, 64, 64, 191, BGR888],
      ['new', 0, 2, 2, 10, ARGB],
      ['new', 0, 1, 2, 2, RGB565],
      ['new', 0, 64, 64, 194, BGR888],
      ['new', -1, 64, 64, 256, ARGB],
      ['new', 0, 0, 64, 256, ARGB],
      ['new', 0, 64, 0, 256, ARGB],
      ['new', 0, 64, 64, -256, ARGB],
      ['new', 0, 1, INT_MAX, 4, ARGB],
      ['new', 0, MAX_BUFFER_SIDE + 1, 1, 4 * (MAX_BUFFER_SIDE + 1), ARGB],
      ['new', 0, 1, MAX_BUFFER_SIDE + 1, 4, ARGB],
    ],
  ),
  rule('wl_shm_pool', 'create_buffer', 0, [], [['new', 0, 64, 64, 256, NONE]]),
];
