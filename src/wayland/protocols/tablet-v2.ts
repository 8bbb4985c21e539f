/** The wire facts of tablet-v2.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('zwp_tablet_manager_v2', 2, {
    requests: ['get_tablet_seat tablet_seat:new_id(zwp_tablet_seat_v2) seat:object(wl_seat)', 'destroy!'],
  }),
  defineInterface('zwp_tablet_seat_v2', 2, {
    requests: ['destroy!'],
    events: [
      'tablet_added id:new_id(zwp_tablet_v2)',
      'tool_added id:new_id(zwp_tablet_tool_v2)',
      'pad_added id:new_id(zwp_tablet_pad_v2)',
    ],
  }),
  defineInterface('zwp_tablet_tool_v2', 2, {
    requests: ['set_cursor serial:uint surface:object(wl_surface)? hotspot_x:int hotspot_y:int', 'destroy!'],
    events: [
      'type tool_type:uint',
      'hardware_serial hardware_serial_hi:uint hardware_serial_lo:uint',
      'hardware_id_wacom hardware_id_hi:uint hardware_id_lo:uint',
      'capability capability:uint',
      'done',
      'removed',
      'proximity_in serial:uint tablet:object(zwp_tablet_v2) surface:object(wl_surface)',
      'proximity_out',
      'down serial:uint',
      'up',
      'motion x:fixed y:fixed',
      'pressure pressure:uint',
      'distance distance:uint',
      'tilt tilt_x:fixed tilt_y:fixed',
      'rotation degrees:fixed',
      'slider position:int',
      'wheel degrees:fixed clicks:int',
      'button serial:uint button:uint state:uint',
      'frame time:uint',
    ],
  }),
  defineInterface('zwp_tablet_v2', 2, {
    requests: ['destroy!'],
    events: [
      'name name:string',
      'id vid:uint pid:uint',
      'path path:string',
      'done',
      'removed',
      'bustype@2 bustype:uint',
    ],
  }),
  defineInterface('zwp_tablet_pad_ring_v2', 2, {
    requests: ['set_feedback description:string serial:uint', 'destroy!'],
    events: ['source source:uint', 'angle degrees:fixed', 'stop', 'frame time:uint'],
  }),
  defineInterface('zwp_tablet_pad_strip_v2', 2, {
    requests: ['set_feedback description:string serial:uint', 'destroy!'],
    events: ['source source:uint', 'position position:uint', 'stop', 'frame time:uint'],
  }),
  defineInterface('zwp_tablet_pad_group_v2', 2, {
    requests: ['destroy!'],
    events: [
      'buttons buttons:array',
      'ring ring:new_id(zwp_tablet_pad_ring_v2)',
      'strip strip:new_id(zwp_tablet_pad_strip_v2)',
      'modes modes:uint',
      'done',
      'mode_switch time:uint serial:uint mode:uint',
      'dial@2 dial:new_id(zwp_tablet_pad_dial_v2)',
    ],
  }),
  defineInterface('zwp_tablet_pad_v2', 2, {
    requests: ['set_feedback button:uint description:string serial:uint', 'destroy!'],
    events: [
      'group pad_group:new_id(zwp_tablet_pad_group_v2)',
      'path path:string',
      'buttons buttons:uint',
      'done',
      'button time:uint button:uint state:uint',
      'enter serial:uint tablet:object(zwp_tablet_v2) surface:object(wl_surface)',
      'leave serial:uint surface:object(wl_surface)',
      'removed',
    ],
  }),
  defineInterface('zwp_tablet_pad_dial_v2', 2, {
    requests: ['set_feedback description:string serial:uint', 'destroy!'],
    events: ['delta value120:int', 'frame time:uint'],
  }),
];

/** `zwp_tablet_tool_v2.type` */
export const ZwpTabletToolV2Type = {
  pen: 0x140,
  eraser: 0x141,
  brush: 0x142,
  pencil: 0x143,
  airbrush: 0x144,
  finger: 0x145,
  mouse: 0x146,
  lens: 0x147,
} as const;

/** `zwp_tablet_tool_v2.capability` */
export const ZwpTabletToolV2Capability = {
  tilt: 1,
  pressure: 2,
  distance: 3,
  rotation: 4,
  slider: 5,
  wheel: 6,
} as const;

/** `zwp_tablet_tool_v2.button_state` */
export const ZwpTabletToolV2ButtonState = {
  released: 0,
  pressed: 1,
} as const;

/** `zwp_tablet_tool_v2.error` */
export const ZwpTabletToolV2Error = {
  role: 0,
} as const;

/** `zwp_tablet_v2.bustype` */
export const ZwpTabletV2Bustype = {
  usb: 3,
  bluetooth: 5,
  virtual: 6,
  serial: 17,
  i2c: 24,
} as const;

/** `zwp_tablet_pad_ring_v2.source` */
export const ZwpTabletPadRingV2Source = {
  finger: 1,
} as const;

/** `zwp_tablet_pad_strip_v2.source` */
export const ZwpTabletPadStripV2Source = {
  finger: 1,
} as const;

/** `zwp_tablet_pad_v2.button_state` */
export const ZwpTabletPadV2ButtonState = {
  released: 0,
  pressed: 1,
} as const;
