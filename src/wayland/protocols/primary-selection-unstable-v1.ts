/** The wire facts of primary-selection-unstable-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('zwp_primary_selection_device_manager_v1', 1, {
    requests: [
      'create_source id:new_id(zwp_primary_selection_source_v1)',
      'get_device id:new_id(zwp_primary_selection_device_v1) seat:object(wl_seat)',
      'destroy!',
    ],
  }),
  defineInterface('zwp_primary_selection_device_v1', 1, {
    requests: ['set_selection source:object(zwp_primary_selection_source_v1)? serial:uint', 'destroy!'],
    events: [
      'data_offer offer:new_id(zwp_primary_selection_offer_v1)',
      'selection id:object(zwp_primary_selection_offer_v1)?',
    ],
  }),
  defineInterface('zwp_primary_selection_offer_v1', 1, {
    requests: ['receive mime_type:string fd:fd', 'destroy!'],
    events: ['offer mime_type:string'],
  }),
  defineInterface('zwp_primary_selection_source_v1', 1, {
    requests: ['offer mime_type:string', 'destroy!'],
    events: ['send mime_type:string fd:fd', 'cancelled'],
  }),
];
