/** The wire facts of wayland.xml. Written by generate.ts: change that, not this. */
import { defineInterface, type Interface } from '../interface.js';

export const interfaces: readonly Interface[] = [
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
