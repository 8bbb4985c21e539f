/** The wire facts of ext-image-copy-capture-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('ext_image_copy_capture_manager_v1', 1, {
    requests: [
      'create_session session:new_id(ext_image_copy_capture_session_v1) source:object(ext_image_capture_source_v1) options:uint',
      'create_pointer_cursor_session session:new_id(ext_image_copy_capture_cursor_session_v1) source:object(ext_image_capture_source_v1) pointer:object(wl_pointer)',
      'destroy!',
    ],
  }),
  defineInterface('ext_image_copy_capture_session_v1', 1, {
    requests: ['create_frame frame:new_id(ext_image_copy_capture_frame_v1)', 'destroy!'],
    events: [
      'buffer_size width:uint height:uint',
      'shm_format format:uint',
      'dmabuf_device device:array',
      'dmabuf_format format:uint modifiers:array',
      'done',
      'stopped',
    ],
  }),
  defineInterface('ext_image_copy_capture_frame_v1', 1, {
    requests: [
      'destroy!',
      'attach_buffer buffer:object(wl_buffer)',
      'damage_buffer x:int y:int width:int height:int',
      'capture',
    ],
    events: [
      'transform transform:uint',
      'damage x:int y:int width:int height:int',
      'presentation_time tv_sec_hi:uint tv_sec_lo:uint tv_nsec:uint',
      'ready',
      'failed reason:uint',
    ],
  }),
  defineInterface('ext_image_copy_capture_cursor_session_v1', 1, {
    requests: ['destroy!', 'get_capture_session session:new_id(ext_image_copy_capture_session_v1)'],
    events: ['enter', 'leave', 'position x:int y:int', 'hotspot x:int y:int'],
  }),
];

/** `ext_image_copy_capture_manager_v1.error` */
export const ExtImageCopyCaptureManagerV1Error = {
  invalid_option: 1,
} as const;

/** `ext_image_copy_capture_manager_v1.options` */
export const ExtImageCopyCaptureManagerV1Options = {
  paint_cursors: 1,
} as const;

/** `ext_image_copy_capture_session_v1.error` */
export const ExtImageCopyCaptureSessionV1Error = {
  duplicate_frame: 1,
} as const;

/** `ext_image_copy_capture_frame_v1.error` */
export const ExtImageCopyCaptureFrameV1Error = {
  no_buffer: 1,
  invalid_buffer_damage: 2,
  already_captured: 3,
} as const;

/** `ext_image_copy_capture_frame_v1.failure_reason` */
export const ExtImageCopyCaptureFrameV1FailureReason = {
  unknown: 0,
  buffer_constraints: 1,
  stopped: 2,
} as const;

/** `ext_image_copy_capture_cursor_session_v1.error` */
export const ExtImageCopyCaptureCursorSessionV1Error = {
  duplicate_session: 1,
} as const;
