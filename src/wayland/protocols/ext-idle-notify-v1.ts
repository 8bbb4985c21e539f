/** The wire facts of ext-idle-notify-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('ext_idle_notifier_v1', 2, {
    requests: [
      'destroy!',
      'get_idle_notification id:new_id(ext_idle_notification_v1) timeout:uint seat:object(wl_seat)',
      'get_input_idle_notification@2 id:new_id(ext_idle_notification_v1) timeout:uint seat:object(wl_seat)',
    ],
  }),
  defineInterface('ext_idle_notification_v1', 2, {
    requests: ['destroy!'],
    events: ['idled', 'resumed'],
  }),
];
