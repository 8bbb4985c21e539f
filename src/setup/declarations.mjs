/**
 * The declarations that a program which imports the library needs: what `dist/src/index.d.ts` names, and what that names. They
 * go to `dist/bundle/declarations`, in the folders that they come from, since the package has them and no others: half of all
 * are of rooms that no library user meets.
 */
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const FROM = 'dist';
const ROOT = 'src/index.d.ts';
/** What a declaration has from another one of ours: by `from` or by `import()`. */
const IMPORT = /(?:\bfrom|\bimport\(|\bimport)\s*['"](\.[^'"]+)\.js['"]/g;

/** Copies them below a directory. @param {string} directory */
export function copyDeclarations(directory) {
  const found = new Set([ROOT]);
  for (const file of found) {
    const text = readFileSync(join(FROM, file), 'utf8');
    for (const [, path] of text.matchAll(IMPORT)) found.add(join(dirname(file), `${path}.d.ts`));
    const to = join(directory, file);
    mkdirSync(dirname(to), { recursive: true });
    copyFileSync(join(FROM, file), to);
  }
}
