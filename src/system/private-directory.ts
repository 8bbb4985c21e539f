/**
 * Directories that hold sockets: a user who may write there could put sockets of their own in place of ours.
 */
import { mkdirSync, statSync } from 'node:fs';

/**
 * Makes the directory with mode 0700, or checks one that is there. The directory that it is in must exist. Returns
 * whether it was made. Throws where it belongs to another user or others may write in it.
 */
export function makePrivateDirectory(path: string): boolean {
  try {
    mkdirSync(path, { mode: 0o700 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const there = statSync(path);
  if (!there.isDirectory()) throw Object.assign(new Error(`${path} is no directory`), { code: 'ENOTDIR' });
  if ((there.mode & 0o022) !== 0 || there.uid !== process.geteuid!()) {
    throw new Error(
      `${path} belongs to another user or can be written by others, who could put their own sockets there: ` +
        'choose another directory, or chmod 700 it',
    );
  }
  return false;
}
