/**
 * A PATH of a test's own: with the programs that it makes up, without those that it takes away, and else the machine's.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Test } from 'tap';

/** Lines for a shell by the program's name; null for a program that is not there. The directory goes with the test. */
export function fakePath(t: Pick<Test, 'teardown'>, programs: Readonly<Record<string, string | null>>): string {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-path-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const taken = new Set(Object.keys(programs));
  for (const place of (process.env.PATH ?? '').split(delimiter).filter(path => existsSync(path))) {
    for (const name of readdirSync(place)) {
      // The first place in the PATH that has a program is the one that counts.
      if (taken.has(name)) continue;
      taken.add(name);
      symlinkSync(join(place, name), join(directory, name));
    }
  }
  for (const [name, script] of Object.entries(programs)) {
    if (script !== null) writeFileSync(join(directory, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  return directory;
}
