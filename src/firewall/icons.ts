/**
 * Icons of windows (`xdg_toplevel_icon_v1`), which a compositor scales and draws in bars and lists. Their size is bounded,
 * and their names are names: what is more is as if it had not been said, and the window has the icon of its app id.
 */
import { Verdict, type RequestHandlers } from '../relay/call.js';
import type { Surfaces } from './surfaces.js';

/** Widest and highest icon, in pixels: the largest of icon themes have 512, for two pixels to the unit. */
export const MAX_ICON_SIDE = 1024;
/** Longest name of an icon, in bytes: of a file name, which it becomes. */
export const MAX_ICON_NAME = 255;

export function iconRequests(surfaces: Surfaces): RequestHandlers {
  return {
    xdg_toplevel_icon_v1: {
      // A compositor that takes a name for a path opens any file for the client, or waits for a pipe.
      set_name: ({ args: { icon_name: name } }) =>
        name.includes('/') || Buffer.byteLength(name) > MAX_ICON_NAME ? Verdict.Drop : Verdict.Forward,
      add_buffer: ({ args: { buffer } }) => {
        const { width, height } = surfaces.bufferSize(buffer);
        return Math.max(width, height) > MAX_ICON_SIDE ? Verdict.Drop : Verdict.Forward;
      },
    },
  };
}
