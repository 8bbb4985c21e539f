/** The wire facts of wayland.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('wl_display', 1, {
    requests: ['sync callback:new_id(wl_callback)', 'get_registry registry:new_id(wl_registry)'],
    events: ['error object_id:object code:uint message:string', 'delete_id id:uint'],
  }),
  defineInterface('wl_registry', 1, {
    requests: ['bind name:uint id:bind'],
    events: ['global name:uint interface:string version:uint', 'global_remove name:uint'],
  }),
  defineInterface('wl_callback', 1, {
    events: ['done! callback_data:uint'],
  }),
  defineInterface('wl_compositor', 7, {
    requests: ['create_surface id:new_id(wl_surface)', 'create_region id:new_id(wl_region)', 'release!@7'],
  }),
  defineInterface('wl_shm_pool', 3, {
    requests: [
      'create_buffer id:new_id(wl_buffer) offset:int width:int height:int stride:int format:uint',
      'destroy!',
      'resize size:int',
    ],
  }),
  defineInterface('wl_shm', 3, {
    requests: ['create_pool id:new_id(wl_shm_pool) fd:fd size:int', 'release!@2'],
    events: ['format format:uint'],
  }),
  defineInterface('wl_buffer', 1, {
    requests: ['destroy!'],
    events: ['release'],
  }),
  defineInterface('wl_data_offer', 4, {
    requests: [
      'accept serial:uint mime_type:string?',
      'receive mime_type:string fd:fd',
      'destroy!',
      'finish@3',
      'set_actions@3 dnd_actions:uint preferred_action:uint',
    ],
    events: ['offer mime_type:string', 'source_actions@3 source_actions:uint', 'action@3 dnd_action:uint'],
  }),
  defineInterface('wl_data_source', 4, {
    requests: ['offer mime_type:string', 'destroy!', 'set_actions@3 dnd_actions:uint'],
    events: [
      'target mime_type:string?',
      'send mime_type:string fd:fd',
      'cancelled',
      'dnd_drop_performed@3',
      'dnd_finished@3',
      'action@3 dnd_action:uint',
    ],
  }),
  defineInterface('wl_data_device', 4, {
    requests: [
      'start_drag source:object(wl_data_source)? origin:object(wl_surface) icon:object(wl_surface)? serial:uint',
      'set_selection source:object(wl_data_source)? serial:uint',
      'release!@2',
    ],
    events: [
      'data_offer id:new_id(wl_data_offer)',
      'enter serial:uint surface:object(wl_surface) x:fixed y:fixed id:object(wl_data_offer)?',
      'leave',
      'motion time:uint x:fixed y:fixed',
      'drop',
      'selection id:object(wl_data_offer)?',
    ],
  }),
  defineInterface('wl_data_device_manager', 4, {
    requests: [
      'create_data_source id:new_id(wl_data_source)',
      'get_data_device id:new_id(wl_data_device) seat:object(wl_seat)',
      'release!@4',
    ],
  }),
  defineInterface('wl_shell', 1, {
    requests: ['get_shell_surface id:new_id(wl_shell_surface) surface:object(wl_surface)'],
  }),
  defineInterface('wl_shell_surface', 1, {
    requests: [
      'pong serial:uint',
      'move seat:object(wl_seat) serial:uint',
      'resize seat:object(wl_seat) serial:uint edges:uint',
      'set_toplevel',
      'set_transient parent:object(wl_surface) x:int y:int flags:uint',
      'set_fullscreen method:uint framerate:uint output:object(wl_output)?',
      'set_popup seat:object(wl_seat) serial:uint parent:object(wl_surface) x:int y:int flags:uint',
      'set_maximized output:object(wl_output)?',
      'set_title title:string',
      'set_class class_:string',
    ],
    events: ['ping serial:uint', 'configure edges:uint width:int height:int', 'popup_done'],
  }),
  defineInterface('wl_surface', 7, {
    requests: [
      'destroy!',
      'attach buffer:object(wl_buffer)? x:int y:int',
      'damage x:int y:int width:int height:int',
      'frame callback:new_id(wl_callback)',
      'set_opaque_region region:object(wl_region)?',
      'set_input_region region:object(wl_region)?',
      'commit',
      'set_buffer_transform@2 transform:int',
      'set_buffer_scale@3 scale:int',
      'damage_buffer@4 x:int y:int width:int height:int',
      'offset@5 x:int y:int',
      'get_release@7 callback:new_id(wl_callback)',
    ],
    events: [
      'enter output:object(wl_output)',
      'leave output:object(wl_output)',
      'preferred_buffer_scale@6 factor:int',
      'preferred_buffer_transform@6 transform:uint',
    ],
  }),
  defineInterface('wl_seat', 11, {
    requests: [
      'get_pointer id:new_id(wl_pointer)',
      'get_keyboard id:new_id(wl_keyboard)',
      'get_touch id:new_id(wl_touch)',
      'release!@5',
    ],
    events: ['capabilities capabilities:uint', 'name@2 name:string'],
  }),
  defineInterface('wl_pointer', 11, {
    requests: ['set_cursor serial:uint surface:object(wl_surface)? hotspot_x:int hotspot_y:int', 'release!@3'],
    events: [
      'enter serial:uint surface:object(wl_surface) surface_x:fixed surface_y:fixed',
      'leave serial:uint surface:object(wl_surface)',
      'motion time:uint surface_x:fixed surface_y:fixed',
      'button serial:uint time:uint button:uint state:uint',
      'axis time:uint axis:uint value:fixed',
      'frame@5',
      'axis_source@5 axis_source:uint',
      'axis_stop@5 time:uint axis:uint',
      'axis_discrete@5 axis:uint discrete:int',
      'axis_value120@8 axis:uint value120:int',
      'axis_relative_direction@9 axis:uint direction:uint',
      'warp@11 surface_x:fixed surface_y:fixed',
    ],
  }),
  defineInterface('wl_keyboard', 11, {
    requests: ['release!@3'],
    events: [
      'keymap format:uint fd:fd size:uint',
      'enter serial:uint surface:object(wl_surface) keys:array',
      'leave serial:uint surface:object(wl_surface)',
      'key serial:uint time:uint key:uint state:uint',
      'modifiers serial:uint mods_depressed:uint mods_latched:uint mods_locked:uint group:uint',
      'repeat_info@4 rate:int delay:int',
    ],
  }),
  defineInterface('wl_touch', 11, {
    requests: ['release!@3'],
    events: [
      'down serial:uint time:uint surface:object(wl_surface) id:int x:fixed y:fixed',
      'up serial:uint time:uint id:int',
      'motion time:uint id:int x:fixed y:fixed',
      'frame',
      'cancel',
      'shape@6 id:int major:fixed minor:fixed',
      'orientation@6 id:int orientation:fixed',
    ],
  }),
  defineInterface('wl_output', 4, {
    requests: ['release!@3'],
    events: [
      'geometry x:int y:int physical_width:int physical_height:int subpixel:int make:string model:string transform:int',
      'mode flags:uint width:int height:int refresh:int',
      'done@2',
      'scale@2 factor:int',
      'name@4 name:string',
      'description@4 description:string',
    ],
  }),
  defineInterface('wl_region', 7, {
    requests: ['destroy!', 'add x:int y:int width:int height:int', 'subtract x:int y:int width:int height:int'],
  }),
  defineInterface('wl_subcompositor', 1, {
    requests: [
      'destroy!',
      'get_subsurface id:new_id(wl_subsurface) surface:object(wl_surface) parent:object(wl_surface)',
    ],
  }),
  defineInterface('wl_subsurface', 1, {
    requests: [
      'destroy!',
      'set_position x:int y:int',
      'place_above sibling:object(wl_surface)',
      'place_below sibling:object(wl_surface)',
      'set_sync',
      'set_desync',
    ],
  }),
  defineInterface('wl_fixes', 2, {
    requests: [
      'destroy!',
      'destroy_registry registry:object(wl_registry)',
      'ack_global_remove@2 registry:object(wl_registry) name:uint',
    ],
  }),
];

/** `wl_display.error` */
export const WlDisplayError = {
  invalid_object: 0,
  invalid_method: 1,
  no_memory: 2,
  implementation: 3,
} as const;

/** `wl_shm_pool.error` */
export const WlShmPoolError = {
  invalid_format: 0,
  invalid_stride: 1,
} as const;

/** `wl_shm.error` */
export const WlShmError = {
  invalid_format: 0,
  invalid_stride: 1,
  invalid_fd: 2,
} as const;

/** `wl_shm.format` */
export const WlShmFormat = {
  argb8888: 0,
  xrgb8888: 1,
  c8: 0x20203843,
  rgb332: 0x38424752,
  bgr233: 0x38524742,
  xrgb4444: 0x32315258,
  xbgr4444: 0x32314258,
  rgbx4444: 0x32315852,
  bgrx4444: 0x32315842,
  argb4444: 0x32315241,
  abgr4444: 0x32314241,
  rgba4444: 0x32314152,
  bgra4444: 0x32314142,
  xrgb1555: 0x35315258,
  xbgr1555: 0x35314258,
  rgbx5551: 0x35315852,
  bgrx5551: 0x35315842,
  argb1555: 0x35315241,
  abgr1555: 0x35314241,
  rgba5551: 0x35314152,
  bgra5551: 0x35314142,
  rgb565: 0x36314752,
  bgr565: 0x36314742,
  rgb888: 0x34324752,
  bgr888: 0x34324742,
  xbgr8888: 0x34324258,
  rgbx8888: 0x34325852,
  bgrx8888: 0x34325842,
  abgr8888: 0x34324241,
  rgba8888: 0x34324152,
  bgra8888: 0x34324142,
  xrgb2101010: 0x30335258,
  xbgr2101010: 0x30334258,
  rgbx1010102: 0x30335852,
  bgrx1010102: 0x30335842,
  argb2101010: 0x30335241,
  abgr2101010: 0x30334241,
  rgba1010102: 0x30334152,
  bgra1010102: 0x30334142,
  yuyv: 0x56595559,
  yvyu: 0x55595659,
  uyvy: 0x59565955,
  vyuy: 0x59555956,
  ayuv: 0x56555941,
  nv12: 0x3231564e,
  nv21: 0x3132564e,
  nv16: 0x3631564e,
  nv61: 0x3136564e,
  yuv410: 0x39565559,
  yvu410: 0x39555659,
  yuv411: 0x31315559,
  yvu411: 0x31315659,
  yuv420: 0x32315559,
  yvu420: 0x32315659,
  yuv422: 0x36315559,
  yvu422: 0x36315659,
  yuv444: 0x34325559,
  yvu444: 0x34325659,
  r8: 0x20203852,
  r16: 0x20363152,
  rg88: 0x38384752,
  gr88: 0x38385247,
  rg1616: 0x32334752,
  gr1616: 0x32335247,
  xrgb16161616f: 0x48345258,
  xbgr16161616f: 0x48344258,
  argb16161616f: 0x48345241,
  abgr16161616f: 0x48344241,
  xyuv8888: 0x56555958,
  vuy888: 0x34325556,
  vuy101010: 0x30335556,
  y210: 0x30313259,
  y212: 0x32313259,
  y216: 0x36313259,
  y410: 0x30313459,
  y412: 0x32313459,
  y416: 0x36313459,
  xvyu2101010: 0x30335658,
  xvyu12_16161616: 0x36335658,
  xvyu16161616: 0x38345658,
  y0l0: 0x304c3059,
  x0l0: 0x304c3058,
  y0l2: 0x324c3059,
  x0l2: 0x324c3058,
  yuv420_8bit: 0x38305559,
  yuv420_10bit: 0x30315559,
  xrgb8888_a8: 0x38415258,
  xbgr8888_a8: 0x38414258,
  rgbx8888_a8: 0x38415852,
  bgrx8888_a8: 0x38415842,
  rgb888_a8: 0x38413852,
  bgr888_a8: 0x38413842,
  rgb565_a8: 0x38413552,
  bgr565_a8: 0x38413542,
  nv24: 0x3432564e,
  nv42: 0x3234564e,
  p210: 0x30313250,
  p010: 0x30313050,
  p012: 0x32313050,
  p016: 0x36313050,
  axbxgxrx106106106106: 0x30314241,
  nv15: 0x3531564e,
  q410: 0x30313451,
  q401: 0x31303451,
  xrgb16161616: 0x38345258,
  xbgr16161616: 0x38344258,
  argb16161616: 0x38345241,
  abgr16161616: 0x38344241,
  c1: 0x20203143,
  c2: 0x20203243,
  c4: 0x20203443,
  d1: 0x20203144,
  d2: 0x20203244,
  d4: 0x20203444,
  d8: 0x20203844,
  r1: 0x20203152,
  r2: 0x20203252,
  r4: 0x20203452,
  r10: 0x20303152,
  r12: 0x20323152,
  avuy8888: 0x59555641,
  xvuy8888: 0x59555658,
  p030: 0x30333050,
  rgb161616: 0x38344752,
  bgr161616: 0x38344742,
  r16f: 0x48202052,
  gr1616f: 0x48205247,
  bgr161616f: 0x48524742,
  r32f: 0x46202052,
  gr3232f: 0x46205247,
  bgr323232f: 0x46524742,
  abgr32323232f: 0x46384241,
  nv20: 0x3032564e,
  nv30: 0x3033564e,
  s010: 0x30313053,
  s210: 0x30313253,
  s410: 0x30313453,
  s012: 0x32313053,
  s212: 0x32313253,
  s412: 0x32313453,
  s016: 0x36313053,
  s216: 0x36313253,
  s416: 0x36313453,
  xvuy2101010: 0x30335958,
  p230: 0x30333250,
  t430: 0x30333454,
  y8: 0x59455247,
  xyyy2101010: 0x34415059,
} as const;

/** `wl_data_offer.error` */
export const WlDataOfferError = {
  invalid_finish: 0,
  invalid_action_mask: 1,
  invalid_action: 2,
  invalid_offer: 3,
} as const;

/** `wl_data_source.error` */
export const WlDataSourceError = {
  invalid_action_mask: 0,
  invalid_source: 1,
} as const;

/** `wl_data_device.error` */
export const WlDataDeviceError = {
  role: 0,
  used_source: 1,
} as const;

/** `wl_data_device_manager.dnd_action` */
export const WlDataDeviceManagerDndAction = {
  none: 0,
  copy: 1,
  move: 2,
  ask: 4,
} as const;

/** `wl_shell.error` */
export const WlShellError = {
  role: 0,
} as const;

/** `wl_shell_surface.resize` */
export const WlShellSurfaceResize = {
  none: 0,
  top: 1,
  bottom: 2,
  left: 4,
  top_left: 5,
  bottom_left: 6,
  right: 8,
  top_right: 9,
  bottom_right: 10,
} as const;

/** `wl_shell_surface.transient` */
export const WlShellSurfaceTransient = {
  inactive: 0x1,
} as const;

/** `wl_shell_surface.fullscreen_method` */
export const WlShellSurfaceFullscreenMethod = {
  default: 0,
  scale: 1,
  driver: 2,
  fill: 3,
} as const;

/** `wl_surface.error` */
export const WlSurfaceError = {
  invalid_scale: 0,
  invalid_transform: 1,
  invalid_size: 2,
  invalid_offset: 3,
  defunct_role_object: 4,
  no_buffer: 5,
} as const;

/** `wl_seat.capability` */
export const WlSeatCapability = {
  pointer: 1,
  keyboard: 2,
  touch: 4,
} as const;

/** `wl_seat.error` */
export const WlSeatError = {
  missing_capability: 0,
} as const;

/** `wl_pointer.error` */
export const WlPointerError = {
  role: 0,
} as const;

/** `wl_pointer.button_state` */
export const WlPointerButtonState = {
  released: 0,
  pressed: 1,
} as const;

/** `wl_pointer.axis` */
export const WlPointerAxis = {
  vertical_scroll: 0,
  horizontal_scroll: 1,
} as const;

/** `wl_pointer.axis_source` */
export const WlPointerAxisSource = {
  wheel: 0,
  finger: 1,
  continuous: 2,
  wheel_tilt: 3,
} as const;

/** `wl_pointer.axis_relative_direction` */
export const WlPointerAxisRelativeDirection = {
  identical: 0,
  inverted: 1,
} as const;

/** `wl_keyboard.keymap_format` */
export const WlKeyboardKeymapFormat = {
  no_keymap: 0,
  xkb_v1: 1,
} as const;

/** `wl_keyboard.key_state` */
export const WlKeyboardKeyState = {
  released: 0,
  pressed: 1,
  repeated: 2,
} as const;

/** `wl_output.subpixel` */
export const WlOutputSubpixel = {
  unknown: 0,
  none: 1,
  horizontal_rgb: 2,
  horizontal_bgr: 3,
  vertical_rgb: 4,
  vertical_bgr: 5,
} as const;

/** `wl_output.transform` */
export const WlOutputTransform = {
  normal: 0,
  '90': 1,
  '180': 2,
  '270': 3,
  flipped: 4,
  flipped_90: 5,
  flipped_180: 6,
  flipped_270: 7,
} as const;

/** `wl_output.mode` */
export const WlOutputMode = {
  current: 0x1,
  preferred: 0x2,
} as const;

/** `wl_subcompositor.error` */
export const WlSubcompositorError = {
  bad_surface: 0,
  bad_parent: 1,
} as const;

/** `wl_subsurface.error` */
export const WlSubsurfaceError = {
  bad_surface: 0,
} as const;

/** `wl_fixes.error` */
export const WlFixesError = {
  invalid_ack_remove: 0,
} as const;
