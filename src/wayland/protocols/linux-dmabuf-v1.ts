/** The wire facts of linux-dmabuf-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('zwp_linux_dmabuf_v1', 6, {
    requests: [
      'destroy!',
      'create_params params_id:new_id(zwp_linux_buffer_params_v1)',
      'get_default_feedback@4 id:new_id(zwp_linux_dmabuf_feedback_v1)',
      'get_surface_feedback@4 id:new_id(zwp_linux_dmabuf_feedback_v1) surface:object(wl_surface)',
    ],
    events: ['format format:uint', 'modifier@3 format:uint modifier_hi:uint modifier_lo:uint'],
  }),
  defineInterface('zwp_linux_buffer_params_v1', 6, {
    requests: [
      'destroy!',
      'add fd:fd plane_idx:uint offset:uint stride:uint modifier_hi:uint modifier_lo:uint',
      'create width:int height:int format:uint flags:uint',
      'create_immed@2 buffer_id:new_id(wl_buffer) width:int height:int format:uint flags:uint',
      'set_sampling_device@6 device:array',
    ],
    events: ['created buffer:new_id(wl_buffer)', 'failed'],
  }),
  defineInterface('zwp_linux_dmabuf_feedback_v1', 6, {
    requests: ['destroy!'],
    events: [
      'done',
      'format_table fd:fd size:uint',
      'main_device device:array',
      'tranche_done',
      'tranche_target_device device:array',
      'tranche_formats indices:array',
      'tranche_flags flags:uint',
    ],
  }),
];

/** `zwp_linux_buffer_params_v1.error` */
export const ZwpLinuxBufferParamsV1Error = {
  already_used: 0,
  plane_idx: 1,
  plane_set: 2,
  incomplete: 3,
  invalid_format: 4,
  invalid_dimensions: 5,
  out_of_bounds: 6,
  invalid_wl_buffer: 7,
  invalid_dev_t_size: 8,
} as const;

/** `zwp_linux_buffer_params_v1.flags` */
export const ZwpLinuxBufferParamsV1Flags = {
  y_invert: 1,
  interlaced: 2,
  bottom_first: 4,
} as const;

/** `zwp_linux_dmabuf_feedback_v1.tranche_flags` */
export const ZwpLinuxDmabufFeedbackV1TrancheFlags = {
  scanout: 1,
  sampling: 2,
} as const;
