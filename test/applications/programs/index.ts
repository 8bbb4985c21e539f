/** All programs of the suite, toolkit by toolkit. */
import type { Program } from '../program.js';
import { browsers } from './browsers.js';
import { captures } from './capture.js';
import { games } from './games.js';
import { gtk } from './gtk.js';
import { media } from './media.js';
import { qt } from './qt.js';
import { terminals } from './terminals.js';
import { x11 } from './x11.js';
import { x11Desktop } from './x11-desktop.js';
import { x11Toolkits } from './x11-toolkits.js';

export const programs: readonly Program[] = [
  ...terminals,
  ...gtk,
  ...qt,
  ...games,
  ...media,
  ...browsers,
  ...captures,
  ...x11,
  ...x11Toolkits,
  ...x11Desktop,
];
