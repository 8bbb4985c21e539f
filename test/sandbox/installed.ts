/** The programs that can confine, as far as they are installed here: what holds in one has to hold in the other. */
import { findProgram, SANDBOXES, type Sandbox } from '../../src/sandbox/launcher.js';
import { MINIJAIL } from '../../src/sandbox/minijail.js';

export const INSTALLED: readonly Sandbox[] = SANDBOXES.filter(name => {
  return findProgram({ bubblewrap: 'bwrap', minijail: MINIJAIL }[name]) !== undefined;
});
