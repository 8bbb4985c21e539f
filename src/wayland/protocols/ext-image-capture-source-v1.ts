/** The wire facts of ext-image-capture-source-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('ext_image_capture_source_v1', 1, {
    requests: ['destroy!'],
  }),
  defineInterface('ext_output_image_capture_source_manager_v1', 1, {
    requests: ['create_source source:new_id(ext_image_capture_source_v1) output:object(wl_output)', 'destroy!'],
  }),
  defineInterface('ext_foreign_toplevel_image_capture_source_manager_v1', 1, {
    requests: [
      'create_source source:new_id(ext_image_capture_source_v1) toplevel_handle:object(ext_foreign_toplevel_handle_v1)',
      'destroy!',
    ],
  }),
];
