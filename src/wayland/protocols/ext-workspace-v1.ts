/** The wire facts of ext-workspace-v1.xml. Written by generate.ts: change that, not this. */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('ext_workspace_manager_v1', 1, {
    requests: ['commit', 'stop'],
    events: [
      'workspace_group workspace_group:new_id(ext_workspace_group_handle_v1)',
      'workspace workspace:new_id(ext_workspace_handle_v1)',
      'done',
      'finished!',
    ],
  }),
  defineInterface('ext_workspace_group_handle_v1', 1, {
    requests: ['create_workspace workspace:string', 'destroy!'],
    events: [
      'capabilities capabilities:uint',
      'output_enter output:object(wl_output)',
      'output_leave output:object(wl_output)',
      'workspace_enter workspace:object(ext_workspace_handle_v1)',
      'workspace_leave workspace:object(ext_workspace_handle_v1)',
      'removed',
    ],
  }),
  defineInterface('ext_workspace_handle_v1', 1, {
    requests: [
      'destroy!',
      'activate',
      'deactivate',
      'assign workspace_group:object(ext_workspace_group_handle_v1)',
      'remove',
    ],
    events: [
      'id id:string',
      'name name:string',
      'coordinates coordinates:array',
      'state state:uint',
      'capabilities capabilities:uint',
      'removed',
    ],
  }),
];

/** `ext_workspace_group_handle_v1.group_capabilities` */
export const ExtWorkspaceGroupHandleV1GroupCapabilities = {
  create_workspace: 1,
} as const;

/** `ext_workspace_handle_v1.state` */
export const ExtWorkspaceHandleV1State = {
  active: 1,
  urgent: 2,
  hidden: 4,
} as const;

/** `ext_workspace_handle_v1.workspace_capabilities` */
export const ExtWorkspaceHandleV1WorkspaceCapabilities = {
  activate: 1,
  deactivate: 2,
  remove: 4,
  assign: 8,
} as const;
