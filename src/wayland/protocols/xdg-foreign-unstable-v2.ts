/** The wire facts of xdg-foreign-unstable-v2.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('zxdg_exporter_v2', 1, {
    requests: ['destroy!', 'export_toplevel id:new_id(zxdg_exported_v2) surface:object(wl_surface)'],
  }),
  defineInterface('zxdg_importer_v2', 1, {
    requests: ['destroy!', 'import_toplevel id:new_id(zxdg_imported_v2) handle:string'],
  }),
  defineInterface('zxdg_exported_v2', 1, {
    requests: ['destroy!'],
    events: ['handle handle:string'],
  }),
  defineInterface('zxdg_imported_v2', 1, {
    requests: ['destroy!', 'set_parent_of surface:object(wl_surface)'],
    events: ['destroyed'],
  }),
];

/** `zxdg_exporter_v2.error` */
export const ZxdgExporterV2Error = {
  invalid_surface: 0,
} as const;

/** `zxdg_imported_v2.error` */
export const ZxdgImportedV2Error = {
  invalid_surface: 0,
} as const;
