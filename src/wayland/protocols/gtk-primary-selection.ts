/**
 * GTK's middle-button selection, the forerunner of zwp_primary_selection.
 * No Debian package ships this protocol's XML, so the table is written by hand.
 */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('gtk_primary_selection_device_manager', 1, {
    requests: [
      'create_source id:new_id(gtk_primary_selection_source)',
      'get_device id:new_id(gtk_primary_selection_device) seat:object(wl_seat)',
      'destroy!',
    ],
  }),
  defineInterface('gtk_primary_selection_device', 1, {
    requests: ['set_selection source:object(gtk_primary_selection_source)? serial:uint', 'destroy!'],
    events: [
      'data_offer offer:new_id(gtk_primary_selection_offer)',
      'selection id:object(gtk_primary_selection_offer)?',
    ],
  }),
  defineInterface('gtk_primary_selection_offer', 1, {
    requests: ['receive mime_type:string fd:fd', 'destroy!'],
    events: ['offer mime_type:string'],
  }),
  defineInterface('gtk_primary_selection_source', 1, {
    requests: ['offer mime_type:string', 'destroy!'],
    events: ['send mime_type:string fd:fd', 'cancelled'],
  }),
];
