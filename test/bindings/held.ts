/** Proves that a part of a test left nothing behind: no descriptor and no mapping. */
import { readFileSync } from 'node:fs';
import type { Test } from 'tap';
import { native } from '../../src/system/native.js';
import { describeDescriptors, openDescriptors } from '../descriptors.js';

/** Name of the memfds that these tests make, to be found in /proc. */
export const MEMFD = 'virtwl-bindings-test';

/** Mappings of memory that was made here: memfds, and files of a private tmpfs (which have no path but "/#inode"). */
export function mappingsHeld(): number {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter(line => line.includes(MEMFD) || /\/#\d+ \(deleted\)$/.test(line)).length;
}

/** Runs `work` and checks that it holds as many descriptors and mappings afterwards as before. */
export function leavesNothing(t: Test, work: () => void): void {
  const descriptors = openDescriptors();
  const mappings = mappingsHeld();
  work();
  t.equal(openDescriptors(), descriptors, `no descriptor left behind: ${describeDescriptors().join(', ')}`);
  t.equal(mappingsHeld(), mappings, 'no mapping left behind');
}

/** Closes every one of them. */
export function closeFds(...fds: number[]): void {
  for (const fd of fds) native.close(fd);
}

/** What the call throws, for tests of several of its properties; fails when it throws nothing. */
export function thrownBy(t: Test, call: () => unknown): NodeJS.ErrnoException {
  try {
    call();
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
  t.fail('should have thrown');
  return new Error('nothing was thrown');
}
