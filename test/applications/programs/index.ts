/** All programs of the suite, toolkit by toolkit. */
import type { Program } from '../program.js';
import { browsers } from './browsers.js';
import { gtk } from './gtk.js';
import { terminals } from './terminals.js';

export const programs: readonly Program[] = [...terminals, ...gtk, ...browsers];
