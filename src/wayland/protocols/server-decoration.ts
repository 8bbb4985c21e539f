/**
 * KDE's window decorations, which GTK 3 still asks wlroots compositors for.
 * No Debian package ships this protocol's XML, so the table is written by hand.
 */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('org_kde_kwin_server_decoration_manager', 1, {
    requests: ['create id:new_id(org_kde_kwin_server_decoration) surface:object(wl_surface)'],
    events: ['default_mode mode:uint'],
  }),
  defineInterface('org_kde_kwin_server_decoration', 1, {
    requests: ['release!', 'request_mode mode:uint'],
    events: ['mode mode:uint'],
  }),
];
