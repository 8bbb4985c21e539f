/**
 * That a subcommand serves: told by a line on standard output, and to the service manager that started it (sd_notify). A
 * confined process has no way to that, and is not to have one: what it may say there is one byte of a pipe, to the process
 * outside.
 */
import { readSync, writeSync } from 'node:fs';
import { inheritedFd } from '../sandbox/confinement.js';
import { OwnedFd } from '../system/fd.js';
import { native, POLL_READABLE } from '../system/native.js';
import { tellServiceManager } from '../system/service-manager.js';

/** The name of the descriptor that a confined process inherits, where somebody wants to know. */
export const READY_FD = 'ready';

/** Of a process that serves `what` from now on. */
export function tellReady(what: string): void {
  process.stdout.write(`ready: ${what}\n`);
  const outside = inheritedFd(READY_FD);
  if (outside === undefined) {
    tellServiceManager('READY=1', `STATUS=serving ${what}`);
    return;
  }
  const fd = new OwnedFd(outside);
  try {
    writeSync(fd.fd, '!');
  } catch {
    // Nobody is there to hear it: the process outside has ended, and ends this one.
  } finally {
    fd.close();
  }
}

/** What the process outside keeps until the confined one has ended. */
export interface Awaited {
  /** To be inherited; given away. */
  readonly fd: OwnedFd;
  /** Idempotent. */
  close(): void;
}

/** Passes on that the confined process serves. Undefined: no service manager wants to know. */
export function awaitReady(): Awaited | undefined {
  if ((process.env.NOTIFY_SOCKET ?? '') === '') return undefined;
  const [mine, its] = native.pipe().map(fd => new OwnedFd(fd)) as [OwnedFd, OwnedFd];
  const poll = new native.Poll(mine.fd, () => {
    // Its end without a word is told by the process's own end.
    if (readSync(mine.fd, new Uint8Array(1)) === 1) tellServiceManager('READY=1');
    close();
  });
  const close = (): void => {
    if (mine.closed) return;
    poll.close();
    mine.close();
  };
  poll.start(POLL_READABLE);
  poll.unref();
  return { fd: its, close };
}
