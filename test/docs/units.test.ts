/** The units that docs/vm-images.md shows are those that `virtwl units` prints. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { unitFiles } from '../../src/cli/unit-files.js';

const page = readFileSync('docs/vm-images.md', 'utf8');

for (const role of ['compositor', 'client'] as const) {
  t.test(role, t => {
    for (const { path, text } of unitFiles(role, 'virtwl')) {
      t.ok(page.includes(`# ${path}\n${text}`.replace(/^(?=.)/gm, '    ')), path);
    }
    t.end();
  });
}
