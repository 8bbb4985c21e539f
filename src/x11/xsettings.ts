/**
 * Settings that toolkits ask an X screen for (XSETTINGS): how large they are to draw. GTK draws text by a resolution, and icons,
 * borders and pictures by a whole factor, which it learns here alone; others read the resolution.
 *
 * Who owns the selection `_XSETTINGS_S0` serves them, in a property of the window that owns it. Any program may take it over,
 * `xsettingsd` for instance: then that one's count.
 */
import type { Atoms } from './atoms.js';
import type { XConnection } from './connection.js';
import { changeProperty, setSelectionOwner } from './requests.js';
import { bytesOf, padded4, u16, u32, u8, type Part } from './wire.js';

/** Dots of an inch where nothing is enlarged, as all toolkits have it. */
const DPI = 96;
/** Parts of a dot that resolutions are told in. */
const DPI_PARTS = 1024;

/** The least significant byte is the first. */
const LSB_FIRST = 0;
const INTEGER = 0;

/**
 * What toolkits are to know of a scale, by name. GTK multiplies all by the factor, text too, which the resolution beside it
 * makes larger still; so that one stands for what the factor leaves over. `scale`: X pixels of a pixel of the compositor's.
 */
export function scaleSettings(scale: number): ReadonlyMap<string, number> {
  const factor = Math.max(Math.floor(scale), 1);
  const dpi = (times: number): number => Math.round(DPI * times * DPI_PARTS);
  return new Map([
    ['Gdk/WindowScalingFactor', factor],
    ['Gdk/UnscaledDPI', dpi(scale / factor)],
    ['Xft/DPI', dpi(scale)],
  ]);
}

/**
 * The property's bytes:
 *
 *     byte order (1 byte), 3 unused, serial (4), number of settings (4), and of each:
 *     type (1: 0 for a whole number), 1 unused, length of its name (2), name, filled up to a multiple of 4,
 *     serial of its last change (4), value (4)
 *
 * Names are ASCII. They are said once, so all serials are 0.
 */
export function encodeSettings(settings: ReadonlyMap<string, number>): Uint8Array {
  const one = ([name, value]: [string, number]): Part[] => {
    const padded = Buffer.alloc(padded4(name.length));
    padded.write(name, 'latin1');
    return [u8(INTEGER), u8(0), u16(name.length), padded, u32(0), u32(value)];
  };
  const header = [LSB_FIRST, 0, 0, 0].map(u8);
  return bytesOf(...header, u32(0), u32(settings.size), ...[...settings].flatMap(one));
}

/** Serves them by a window of ours, before the server lets a program in: there is none to be told that they are there. */
export function serveSettings(
  x: Pick<XConnection, 'send'>,
  atoms: Atoms,
  window: number,
  settings: ReadonlyMap<string, number>,
): void {
  const { _XSETTINGS_S0: selection, _XSETTINGS_SETTINGS: property } = atoms;
  x.send(changeProperty(window, property, property, 8, encodeSettings(settings)));
  x.send(setSelectionOwner(window, selection));
}
