/**
 * What a process in minijail runs before its program: it has itself killed when minijail0 ends, and tells the process
 * outside that it was started. It goes on when that answers; no answer means that one of the two is gone already. Then
 * nothing of minijail0's is left open, and it leads a session of its own.
 */
import { closeSync, readSync, writeSync } from 'node:fs';
import { native } from '../system/native.js';
import { FILTER_FD, STATUS_FD } from './launcher.js';

native.dieWithParent();
try {
  writeSync(STATUS_FD, 'started\n');
  if (readSync(STATUS_FD, Buffer.alloc(1)) === 0) process.exit(1);
} catch {
  process.exit(1); // there is nobody to tell it to
}
closeSync(STATUS_FD);
closeSync(FILTER_FD);
try {
  native.newSession();
} catch {
  // Where our output is a terminal, minijail0 has made one already.
}
