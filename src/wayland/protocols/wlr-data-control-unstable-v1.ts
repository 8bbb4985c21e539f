/**
 * A clipboard manager's access, privileged: never offered to a remote client.
 * No Debian package ships this protocol's XML, so the table is written by hand.
 */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('zwlr_data_control_manager_v1', 2, {
    requests: [
      'create_data_source id:new_id(zwlr_data_control_source_v1)',
      'get_data_device id:new_id(zwlr_data_control_device_v1) seat:object(wl_seat)',
      'destroy!',
    ],
  }),
  defineInterface('zwlr_data_control_device_v1', 2, {
    requests: [
      'set_selection source:object(zwlr_data_control_source_v1)?',
      'destroy!',
      'set_primary_selection@2 source:object(zwlr_data_control_source_v1)?',
    ],
    events: [
      'data_offer id:new_id(zwlr_data_control_offer_v1)',
      'selection id:object(zwlr_data_control_offer_v1)?',
      'finished',
      'primary_selection@2 id:object(zwlr_data_control_offer_v1)?',
    ],
  }),
  defineInterface('zwlr_data_control_source_v1', 1, {
    requests: ['offer mime_type:string', 'destroy!'],
    events: ['send mime_type:string fd:fd', 'cancelled'],
  }),
  defineInterface('zwlr_data_control_offer_v1', 1, {
    requests: ['receive mime_type:string fd:fd', 'destroy!'],
    events: ['offer mime_type:string'],
  }),
];
