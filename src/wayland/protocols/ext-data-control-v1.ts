/** The wire facts of ext-data-control-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('ext_data_control_manager_v1', 1, {
    requests: [
      'create_data_source id:new_id(ext_data_control_source_v1)',
      'get_data_device id:new_id(ext_data_control_device_v1) seat:object(wl_seat)',
      'destroy!',
    ],
  }),
  defineInterface('ext_data_control_device_v1', 1, {
    requests: [
      'set_selection source:object(ext_data_control_source_v1)?',
      'destroy!',
      'set_primary_selection source:object(ext_data_control_source_v1)?',
    ],
    events: [
      'data_offer id:new_id(ext_data_control_offer_v1)',
      'selection id:object(ext_data_control_offer_v1)?',
      'finished',
      'primary_selection id:object(ext_data_control_offer_v1)?',
    ],
  }),
  defineInterface('ext_data_control_source_v1', 1, {
    requests: ['offer mime_type:string', 'destroy!'],
    events: ['send mime_type:string fd:fd', 'cancelled'],
  }),
  defineInterface('ext_data_control_offer_v1', 1, {
    requests: ['receive mime_type:string fd:fd', 'destroy!'],
    events: ['offer mime_type:string'],
  }),
];

/** `ext_data_control_device_v1.error` */
export const ExtDataControlDeviceV1Error = {
  used_source: 1,
} as const;

/** `ext_data_control_source_v1.error` */
export const ExtDataControlSourceV1Error = {
  invalid_offer: 1,
} as const;
