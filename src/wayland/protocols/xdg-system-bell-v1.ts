/** The wire facts of xdg-system-bell-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('xdg_system_bell_v1', 1, {
    requests: ['destroy!', 'ring surface:object(wl_surface)?'],
  }),
];
