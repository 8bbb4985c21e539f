/**
 * Programs that may be about to connect: a launcher has ended, and what it started has not come as far as its first
 * call of libwayland. They are known by their environment, in which the path of the socket stands.
 */
import { readdirSync, readFileSync } from 'node:fs';

/**
 * Whether a process of this user is there that was started with `WAYLAND_DISPLAY=path`. One that hides its environment
 * (a set-user-id program, or where /proc is not mounted) is not found.
 */
export function someoneHas(path: string): boolean {
  const wanted = `\0WAYLAND_DISPLAY=${path}\0`;
  let names: string[];
  try {
    names = readdirSync('/proc');
  } catch {
    return false;
  }
  return names.some(name => /^[0-9]+$/.test(name) && `\0${environmentOf(name)}\0`.includes(wanted));
}

function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1');
  } catch {
    return ''; // it is another user's, or has ended
  }
}
