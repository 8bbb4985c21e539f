/** The wire facts of security-context-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('wp_security_context_manager_v1', 1, {
    requests: ['destroy!', 'create_listener id:new_id(wp_security_context_v1) listen_fd:fd close_fd:fd'],
  }),
  defineInterface('wp_security_context_v1', 1, {
    requests: [
      'destroy!',
      'set_sandbox_engine name:string',
      'set_app_id app_id:string',
      'set_instance_id instance_id:string',
      'commit',
    ],
  }),
];

/** `wp_security_context_manager_v1.error` */
export const WpSecurityContextManagerV1Error = {
  invalid_listen_fd: 1,
  nested: 2,
} as const;

/** `wp_security_context_v1.error` */
export const WpSecurityContextV1Error = {
  already_used: 1,
  already_set: 2,
  invalid_metadata: 3,
} as const;
