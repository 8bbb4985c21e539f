/** The wire facts of color-management-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface, type Interface } from '../interface.js';

export const interfaces: readonly Interface[] = [
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
