/**
 * The units that docs/vm-images.md shows are those that `virtwl units` prints, and what is to be done then is what it says. That
 * the page can be followed, `test/vm/services.test.ts` shows.
 */
import t from 'tap';
import { THEN, unitFiles } from '../../src/cli/unit-files.js';
import { FollowedPage } from './page.js';

const page = new FollowedPage('docs/vm-images.md');

for (const [role, section] of [
  ['compositor', 'The compositor VM'],
  ['client', 'A client VM'],
] as const) {
  t.test(role, t => {
    for (const { path, text } of unitFiles(role, 'virtwl')) t.equal(page.file(path, section), text, path);
    const [asRoot = [], asUser = []] = page.commands(section);
    t.same(
      [...asRoot, ...asUser.map(line => `as USER: ${line}`)],
      THEN[role].map(line => line.replace(/\bUSER$/, 'user')),
    );
    t.end();
  });
}
