/**
 * Directories that hold sockets: a user who may write there could put sockets of their own in place of ours.
 */
import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { codeOf } from './errno.js';

/**
 * Makes the directory with mode 0700, or checks one that is there. The directory that it is in must exist. Returns
 * whether it was made.
 *
 * @throws Error where it cannot be made, with the errno as `code`, or belongs to another user, or others may write in it
 */
export function makePrivateDirectory(path: string): boolean {
  try {
    mkdirSync(path, { mode: 0o700 });
    return true;
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw makeError(path, error);
  }
  const there = statSync(path);
  if (!there.isDirectory())
    throw Object.assign(new Error(`${path} is there, and no directory: choose another path`), { code: 'ENOTDIR' });
  if ((there.mode & 0o022) !== 0 || there.uid !== process.geteuid!()) {
    throw new Error(
      `${path} belongs to another user or can be written by others, who could put their own sockets there: ` +
        'choose another directory, or chmod 700 it',
    );
  }
  return false;
}

/** What to do where a directory, or a socket in it, cannot be made, by errno. `parent` is where it was to be. */
export function adviceFor(code: string | undefined, parent: string): string | undefined {
  if (code === 'ENOENT') return `there is no directory ${parent}: make it first (mkdir -p), or choose another one`;
  if (code === 'ENOTDIR') return `something on the way to it is a file: choose another directory than ${parent}`;
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return `this user may not write in ${parent}: choose another directory, for instance in $XDG_RUNTIME_DIR`;
  }
  return undefined;
}

function makeError(path: string, cause: unknown): Error {
  const code = codeOf(cause);
  const why = adviceFor(code, dirname(path)) ?? (cause as Error).message;
  return Object.assign(new Error(`cannot make the directory ${path} (${code}): ${why}`, { cause }), { code });
}
