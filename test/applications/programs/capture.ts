/**
 * Programs that capture the screen. A VM may not, unless its policy says so: through virtwl they have to be refused, by a
 * sentence of their own, at once, and nothing else may suffer.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { foot } from '../../loopback/applications.js';
import type { Program } from '../program.js';
import { starts } from '../steps.js';

/** How long a program that captures is let run, in seconds: a recorder would go on for ever. */
const RECORD_S = 5;

/** Beside it is a terminal, which stays as it is. */
function capturing(name: string, toolkit: string, file: string, refusal: RegExp, ...command: string[]): Program {
  return {
    name,
    toolkit,
    package: name,
    needs: name,
    command: () => foot('--override=font=DejaVu Sans Mono:size=10', 'sh', '-c', 'seq 1 10; exec sleep 10000'),
    steps: [
      starts(),
      {
        name: 'captures, and is refused through virtwl',
        async act(desk) {
          const path = join(desk.directory, file);
          const run = ['timeout', '-s', 'INT', String(RECORD_S), ...command, path];
          const { status, stderr } = await desk.ended(run);
          const captured = existsSync(path) && statSync(path).size > 0;
          if (desk.way === 'directly') {
            if (!captured) throw new Error(`captured nothing (status ${status}): ${stderr.trim()}`);
          } else if (captured || !refusal.test(stderr) || status === 0) {
            throw new Error(`was not refused (status ${status}): ${stderr.trim()}`);
          }
        },
      },
    ],
  };
}

export const captures: readonly Program[] = [
  capturing('grim', 'own, wl_shm', 'picture.png', /doesn't support|does not support/, 'grim'),
  capturing(
    'wf-recorder',
    'own, wl_shm',
    'film.mkv',
    /doesn't support|does not support/i,
    'wf-recorder',
    // Without it, no frame is recorded where nothing changes.
    '-D',
    '-c',
    'ffv1',
    '-f',
  ),
];
