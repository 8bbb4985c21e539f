/**
 * What a service manager (systemd) gives to a process and is told by it: sockets that it listens on already
 * (sd_listen_fds(3)), and when the process is ready (sd_notify(3)). Without a service manager all of it is nothing.
 */
import { OwnedFd } from './fd.js';
import { native } from './native.js';

/** SD_LISTEN_FDS_START: the first of the descriptors that are given. */
const FIRST_FD = 3;
/** Descriptors that are looked at: a service of ours has one or two. */
export const MAX_GIVEN_SOCKETS = 64;

/** A listening socket that was given. */
export interface GivenSocket {
  readonly socket: OwnedFd;
  /** FileDescriptorName= of the unit; that of the unit itself where it says nothing. */
  readonly name: string;
}

/**
 * The sockets that this process was given, which are the caller's. What said so is gone from the environment: no program
 * that is started later takes them for its own.
 * @throws Error for a number that is none, or over {@link MAX_GIVEN_SOCKETS}
 */
export function givenSockets(env: NodeJS.ProcessEnv = process.env): GivenSocket[] {
  const { LISTEN_PID: pid, LISTEN_FDS: fds, LISTEN_FDNAMES: names = '' } = env;
  delete env.LISTEN_PID;
  delete env.LISTEN_FDS;
  delete env.LISTEN_FDNAMES;
  // Another's, who did not take them out.
  if (fds === undefined || pid !== String(process.pid)) return [];
  const count = Number(fds);
  if (!/^\d+$/.test(fds) || count > MAX_GIVEN_SOCKETS) {
    throw new Error(`LISTEN_FDS is "${fds}": it has to be a number, of at most ${MAX_GIVEN_SOCKETS} sockets`);
  }
  return Array.from({ length: count }, (_, i) => {
    // They come without close-on-exec.
    const socket = new OwnedFd(native.dup(FIRST_FD + i));
    native.close(FIRST_FD + i);
    return { socket, name: names.split(':')[i] ?? '' };
  });
}

/**
 * Tells the service manager, as sd_notify(3) has it: `READY=1`, `STATUS=...`, `STOPPING=1`. Nobody waits for it, and one that
 * does not listen is no mistake of ours.
 * @returns whether it was told
 */
export function tellServiceManager(...lines: readonly string[]): boolean {
  const path = process.env.NOTIFY_SOCKET;
  if (path === undefined || path === '') return false;
  try {
    native.sendDatagram(path, lines.join('\n'));
    return true;
  } catch {
    return false;
  }
}
