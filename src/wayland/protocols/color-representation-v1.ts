/** The wire facts of color-representation-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('wp_color_representation_manager_v1', 1, {
    requests: ['destroy!', 'get_surface id:new_id(wp_color_representation_surface_v1) surface:object(wl_surface)'],
    events: [
      'supported_alpha_mode alpha_mode:uint',
      'supported_coefficients_and_ranges coefficients:uint range:uint',
      'done',
    ],
  }),
  defineInterface('wp_color_representation_surface_v1', 1, {
    requests: [
      'destroy!',
      'set_alpha_mode alpha_mode:uint',
      'set_coefficients_and_range coefficients:uint range:uint',
      'set_chroma_location chroma_location:uint',
    ],
  }),
];

/** `wp_color_representation_manager_v1.error` */
export const WpColorRepresentationManagerV1Error = {
  surface_exists: 1,
} as const;

/** `wp_color_representation_surface_v1.error` */
export const WpColorRepresentationSurfaceV1Error = {
  alpha_mode: 1,
  coefficients: 2,
  pixel_format: 3,
  inert: 4,
  chroma_location: 5,
} as const;

/** `wp_color_representation_surface_v1.alpha_mode` */
export const WpColorRepresentationSurfaceV1AlphaMode = {
  premultiplied_electrical: 0,
  premultiplied_optical: 1,
  straight: 2,
} as const;

/** `wp_color_representation_surface_v1.coefficients` */
export const WpColorRepresentationSurfaceV1Coefficients = {
  identity: 1,
  bt709: 2,
  fcc: 3,
  bt601: 4,
  smpte240: 5,
  bt2020: 6,
  bt2020_cl: 7,
  ictcp: 8,
} as const;

/** `wp_color_representation_surface_v1.range` */
export const WpColorRepresentationSurfaceV1Range = {
  full: 1,
  limited: 2,
} as const;

/** `wp_color_representation_surface_v1.chroma_location` */
export const WpColorRepresentationSurfaceV1ChromaLocation = {
  type_0: 1,
  type_1: 2,
  type_2: 3,
  type_3: 4,
  type_4: 5,
  type_5: 6,
} as const;
