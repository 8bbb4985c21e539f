/** The wire facts of xwayland-shell-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('xwayland_shell_v1', 1, {
    requests: ['destroy!', 'get_xwayland_surface id:new_id(xwayland_surface_v1) surface:object(wl_surface)'],
  }),
  defineInterface('xwayland_surface_v1', 1, {
    requests: ['set_serial serial_lo:uint serial_hi:uint', 'destroy!'],
  }),
];

/** `xwayland_shell_v1.error` */
export const XwaylandShellV1Error = {
  role: 0,
} as const;

/** `xwayland_surface_v1.error` */
export const XwaylandSurfaceV1Error = {
  already_associated: 0,
  invalid_serial: 1,
} as const;
