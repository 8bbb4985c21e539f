/**
 * Atoms: names that an X server has numbers for. Those that we use are asked for once, together, when the connection begins;
 * the selections' room adds its own.
 */
import type { XConnection } from './connection.js';
import { atom } from './replies.js';
import { internAtom } from './requests.js';

/** What a window manager uses. Those below 69 have their numbers by the protocol; they are asked for all the same. */
const NAMES = [
  ...['ATOM', 'CARDINAL', 'STRING', 'WINDOW', 'UTF8_STRING', 'RESOURCE_MANAGER'],
  ...['WM_NAME', 'WM_CLASS', 'WM_HINTS', 'WM_NORMAL_HINTS', 'WM_TRANSIENT_FOR', 'WM_PROTOCOLS', 'WM_STATE', 'WM_S0'],
  ...['_NET_WM_CM_S0', '_XSETTINGS_S0', '_XSETTINGS_SETTINGS'],
  ...['WM_DELETE_WINDOW', 'WM_TAKE_FOCUS', 'WM_CHANGE_STATE', '_MOTIF_WM_HINTS', 'WL_SURFACE_ID', 'WL_SURFACE_SERIAL'],
  ...['_NET_SUPPORTED', '_NET_SUPPORTING_WM_CHECK', '_NET_ACTIVE_WINDOW', '_NET_CLIENT_LIST', '_NET_CLOSE_WINDOW'],
  ...['_NET_WM_NAME', '_NET_WM_MOVERESIZE', '_NET_WM_PING', '_NET_WM_STATE', '_NET_WM_STATE_FULLSCREEN'],
  ...['_NET_WM_STATE_MAXIMIZED_HORZ', '_NET_WM_STATE_MAXIMIZED_VERT', '_NET_WM_STATE_HIDDEN', '_NET_WM_STATE_FOCUSED'],
  ...['_NET_WM_STATE_MODAL', '_NET_WM_STATE_DEMANDS_ATTENTION', '_NET_WM_WINDOW_TYPE', '_NET_WM_WINDOW_TYPE_NORMAL'],
  ...[
    '_NET_WM_WINDOW_TYPE_DIALOG',
    '_NET_WM_WINDOW_TYPE_UTILITY',
    '_NET_WM_WINDOW_TYPE_TOOLBAR',
    '_NET_WM_WINDOW_TYPE_SPLASH',
    '_NET_WM_WINDOW_TYPE_TOOLTIP',
    '_NET_WM_WINDOW_TYPE_DND',
    '_NET_FRAME_EXTENTS',
    '_NET_REQUEST_FRAME_EXTENTS',
    '_NET_WORKAREA',
    '_NET_WM_ICON',
  ],
  ...['_NET_WM_SYNC_REQUEST', '_NET_WM_SYNC_REQUEST_COUNTER', '_XWAYLAND_ALLOW_COMMITS'],
  ...['_NET_NUMBER_OF_DESKTOPS', '_NET_CURRENT_DESKTOP', '_NET_DESKTOP_GEOMETRY', '_NET_DESKTOP_VIEWPORT'],
] as const;

export type AtomName = (typeof NAMES)[number];
/** Their numbers, by name. */
export type Atoms = Readonly<Record<AtomName, number>>;

/**
 * Asks for the numbers of names. `known` is called when all are there, before any event that the server sends later; not
 * when the connection ends before.
 */
export function internAtoms<const Name extends string>(
  x: XConnection,
  names: readonly Name[],
  known: (atoms: Readonly<Record<Name, number>>) => void,
): void {
  const atoms: Partial<Record<Name, number>> = {};
  names.forEach((name, i) => {
    x.ask(internAtom(name), reply => {
      atoms[name] = atom(reply);
      if (i === names.length - 1) known(atoms as Record<Name, number>);
    });
  });
}

/** The same for those of a window manager. */
export function internOwnAtoms(x: XConnection, known: (atoms: Atoms) => void): void {
  internAtoms(x, NAMES, known);
}
