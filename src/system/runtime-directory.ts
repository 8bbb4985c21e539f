/**
 * Directories for the sockets that a process of ours makes for others on its machine, in XDG_RUNTIME_DIR. They go with the
 * process; what a killed one left behind goes when the next of its kind comes.
 */
import { lstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { native } from './native.js';

/**
 * A new directory, mode 0700, the caller's to remove. `kind` says what for: letters. Its process's number is in its name.
 * `parent` is XDG_RUNTIME_DIR unless it is given; without either, the directory for temporary files.
 */
export function makeRuntimeDirectory(kind: string, parent = process.env.XDG_RUNTIME_DIR ?? tmpdir()): string {
  removeLeftOver(kind, parent);
  return mkdtempSync(join(parent, `virtwl-${kind}-${process.pid}-`));
}

function removeLeftOver(kind: string, parent: string): void {
  for (const name of readdirSync(parent)) {
    const [, of, pid] = /^virtwl-([a-z]+)-(\d+)-\w{6}$/.exec(name) ?? [];
    if (of !== kind || isAlive(Number(pid))) continue;
    const directory = join(parent, name);
    try {
      // In a directory that all may write to, one of this name may be any user's, and what is in it may be about to
      // change.
      const { uid } = lstatSync(directory);
      if (uid !== process.getuid?.()) continue;
      // The number may be that of a process that cannot be seen from here, in a container for instance.
      if (readdirSync(directory).some(file => isServed(join(directory, file)))) continue;
      rmSync(directory, { recursive: true, force: true });
    } catch {
      // Another process removes it at this moment.
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** Whether a process listens on a socket. */
function isServed(path: string): boolean {
  if (!lstatSync(path).isSocket()) return false;
  try {
    native.close(native.connectUnix(path));
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ECONNREFUSED';
  }
}
