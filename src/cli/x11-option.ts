/** X11 programs beside Wayland ones: what `virtwl run --x11` and `virtwl x11` have in common. */
import { InvalidArgumentError } from 'commander';
import type { Kind } from './option.js';

/** The largest scale: that of a screen of 400 dots an inch. */
const MAX_SCALE = 4;

/** A scale, perhaps with decimals. */
export const X11_SCALE: Kind<number> = {
  parse: text => {
    const scale = /^[0-9](\.[0-9]{1,2})?$/.test(text) ? Number(text) : NaN;
    if (scale >= 1 && scale <= MAX_SCALE) return scale;
    throw new InvalidArgumentError(`give a number from 1 to ${MAX_SCALE}, with two decimals at most.`);
  },
};

export const X11_SCALE_HELP =
  'how many pixels of an X11 program are one of the compositor, 1.5 say: that of the screen is sharp, and programs that ask ' +
  'for Xft.dpi are as large as others there';

/**
 * The command line of an application that gets a DISPLAY: a process of its own stands between X11 programs and the proxy, so
 * that none of them can end the Wayland programs.
 */
export function withX11(application: readonly string[], scale: number): readonly string[] {
  return [
    process.execPath,
    ...process.execArgv,
    process.argv[1]!,
    'x11',
    '--scale',
    String(scale),
    '--',
    ...application,
  ];
}
