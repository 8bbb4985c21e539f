/** The wire facts of xdg-foreign-unstable-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('zxdg_exporter_v1', 1, {
    requests: ['destroy!', 'export id:new_id(zxdg_exported_v1) surface:object(wl_surface)'],
  }),
  defineInterface('zxdg_importer_v1', 1, {
    requests: ['destroy!', 'import id:new_id(zxdg_imported_v1) handle:string'],
  }),
  defineInterface('zxdg_exported_v1', 1, {
    requests: ['destroy!'],
    events: ['handle handle:string'],
  }),
  defineInterface('zxdg_imported_v1', 1, {
    requests: ['destroy!', 'set_parent_of surface:object(wl_surface)'],
    events: ['destroyed'],
  }),
];
