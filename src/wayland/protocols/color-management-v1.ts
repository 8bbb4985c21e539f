/** The wire facts of color-management-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('wp_color_manager_v1', 3, {
    requests: [
      'destroy!',
      'get_output id:new_id(wp_color_management_output_v1) output:object(wl_output)',
      'get_surface id:new_id(wp_color_management_surface_v1) surface:object(wl_surface)',
      'get_surface_feedback id:new_id(wp_color_management_surface_feedback_v1) surface:object(wl_surface)',
      'create_icc_creator obj:new_id(wp_image_description_creator_icc_v1)',
      'create_parametric_creator obj:new_id(wp_image_description_creator_params_v1)',
      'create_windows_scrgb image_description:new_id(wp_image_description_v1)',
      'get_image_description@2 image_description:new_id(wp_image_description_v1) reference:object(wp_image_description_reference_v1)',
      'create_windows_bt2100@3 image_description:new_id(wp_image_description_v1)',
    ],
    events: [
      'supported_intent render_intent:uint',
      'supported_feature feature:uint',
      'supported_tf_named tf:uint',
      'supported_primaries_named primaries:uint',
      'done',
    ],
  }),
  defineInterface('wp_color_management_output_v1', 3, {
    requests: ['destroy!', 'get_image_description image_description:new_id(wp_image_description_v1)'],
    events: ['image_description_changed'],
  }),
  defineInterface('wp_color_management_surface_v1', 3, {
    requests: [
      'destroy!',
      'set_image_description image_description:object(wp_image_description_v1) render_intent:uint',
      'unset_image_description',
    ],
  }),
  defineInterface('wp_color_management_surface_feedback_v1', 3, {
    requests: [
      'destroy!',
      'get_preferred image_description:new_id(wp_image_description_v1)',
      'get_preferred_parametric image_description:new_id(wp_image_description_v1)',
    ],
    events: ['preferred_changed identity:uint', 'preferred_changed2@2 identity_hi:uint identity_lo:uint'],
  }),
  defineInterface('wp_image_description_creator_icc_v1', 3, {
    requests: [
      'create! image_description:new_id(wp_image_description_v1)',
      'set_icc_file icc_profile:fd offset:uint length:uint',
    ],
  }),
  defineInterface('wp_image_description_creator_params_v1', 3, {
    requests: [
      'create! image_description:new_id(wp_image_description_v1)',
      'set_tf_named tf:uint',
      'set_tf_power eexp:uint',
      'set_primaries_named primaries:uint',
      'set_primaries r_x:int r_y:int g_x:int g_y:int b_x:int b_y:int w_x:int w_y:int',
      'set_luminances min_lum:uint max_lum:uint reference_lum:uint',
      'set_mastering_display_primaries r_x:int r_y:int g_x:int g_y:int b_x:int b_y:int w_x:int w_y:int',
      'set_mastering_luminance min_lum:uint max_lum:uint',
      'set_max_cll max_cll:uint',
      'set_max_fall max_fall:uint',
    ],
  }),
  defineInterface('wp_image_description_v1', 3, {
    requests: ['destroy!', 'get_information information:new_id(wp_image_description_info_v1)'],
    events: ['failed cause:uint msg:string', 'ready identity:uint', 'ready2@2 identity_hi:uint identity_lo:uint'],
  }),
  defineInterface('wp_image_description_info_v1', 3, {
    events: [
      'done!',
      'icc_file icc:fd icc_size:uint',
      'primaries r_x:int r_y:int g_x:int g_y:int b_x:int b_y:int w_x:int w_y:int',
      'primaries_named primaries:uint',
      'tf_power eexp:uint',
      'tf_named tf:uint',
      'luminances min_lum:uint max_lum:uint reference_lum:uint',
      'target_primaries r_x:int r_y:int g_x:int g_y:int b_x:int b_y:int w_x:int w_y:int',
      'target_luminance min_lum:uint max_lum:uint',
      'target_max_cll max_cll:uint',
      'target_max_fall max_fall:uint',
    ],
  }),
  defineInterface('wp_image_description_reference_v1', 1, {
    requests: ['destroy!'],
  }),
];

/** `wp_color_manager_v1.error` */
export const WpColorManagerV1Error = {
  unsupported_feature: 0,
  surface_exists: 1,
} as const;

/** `wp_color_manager_v1.render_intent` */
export const WpColorManagerV1RenderIntent = {
  perceptual: 0,
  relative: 1,
  saturation: 2,
  absolute: 3,
  relative_bpc: 4,
  absolute_no_adaptation: 5,
} as const;

/** `wp_color_manager_v1.feature` */
export const WpColorManagerV1Feature = {
  icc_v2_v4: 0,
  parametric: 1,
  set_primaries: 2,
  set_tf_power: 3,
  set_luminances: 4,
  set_mastering_display_primaries: 5,
  extended_target_volume: 6,
  windows_scrgb: 7,
  windows_bt2100: 8,
} as const;

/** `wp_color_manager_v1.primaries` */
export const WpColorManagerV1Primaries = {
  srgb: 1,
  pal_m: 2,
  pal: 3,
  ntsc: 4,
  generic_film: 5,
  bt2020: 6,
  cie1931_xyz: 7,
  dci_p3: 8,
  display_p3: 9,
  adobe_rgb: 10,
} as const;

/** `wp_color_manager_v1.transfer_function` */
export const WpColorManagerV1TransferFunction = {
  bt1886: 1,
  gamma22: 2,
  gamma28: 3,
  st240: 4,
  ext_linear: 5,
  log_100: 6,
  log_316: 7,
  xvycc: 8,
  srgb: 9,
  ext_srgb: 10,
  st2084_pq: 11,
  st428: 12,
  hlg: 13,
  compound_power_2_4: 14,
} as const;

/** `wp_color_management_surface_v1.error` */
export const WpColorManagementSurfaceV1Error = {
  render_intent: 0,
  image_description: 1,
  inert: 2,
} as const;

/** `wp_color_management_surface_feedback_v1.error` */
export const WpColorManagementSurfaceFeedbackV1Error = {
  inert: 0,
  unsupported_feature: 1,
} as const;

/** `wp_image_description_creator_icc_v1.error` */
export const WpImageDescriptionCreatorIccV1Error = {
  incomplete_set: 0,
  already_set: 1,
  bad_fd: 2,
  bad_size: 3,
  out_of_file: 4,
} as const;

/** `wp_image_description_creator_params_v1.error` */
export const WpImageDescriptionCreatorParamsV1Error = {
  incomplete_set: 0,
  already_set: 1,
  unsupported_feature: 2,
  invalid_tf: 3,
  invalid_primaries_named: 4,
  invalid_luminance: 5,
} as const;

/** `wp_image_description_v1.error` */
export const WpImageDescriptionV1Error = {
  not_ready: 0,
  no_information: 1,
} as const;

/** `wp_image_description_v1.cause` */
export const WpImageDescriptionV1Cause = {
  low_version: 0,
  unsupported: 1,
  operating_system: 2,
  no_output: 3,
} as const;
