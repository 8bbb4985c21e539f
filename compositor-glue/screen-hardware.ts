/**
 * Whether this machine has what a wlroots compositor shows its picture on when nothing else is said: a GPU, and a seat
 * to use it by. What comes out is a sentence about what is missing, for an error or a warning; nothing is decided by it.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** By one of these a compositor is told to show its picture elsewhere, or by which devices: it is believed. */
const SAID_BY_ENVIRONMENT = [
  'WLR_BACKENDS',
  'WLR_DRM_DEVICES',
  'WAYLAND_DISPLAY',
  'WAYLAND_SOCKET',
  'DISPLAY',
] as const;

export interface ScreenPlaces {
  /** Where the kernel has its GPUs. */
  readonly dri?: string;
  /** Where seatd and logind have their files. */
  readonly run?: string;
  readonly uid?: number;
}

/**
 * What is missing here for a compositor with this environment, as a sentence without its end; undefined where nothing is
 * known to be missing.
 */
export function lackOfScreen(
  env: Readonly<Record<string, string | undefined>>,
  { dri = '/dev/dri', run = '/run', uid = process.getuid?.() ?? 0 }: ScreenPlaces = {},
): string | undefined {
  if (SAID_BY_ENVIRONMENT.some(name => env[name] !== undefined)) return undefined;
  if (!namesIn(dri).some(name => /^card\d+$/.test(name))) return `this machine has no GPU (no ${join(dri, 'card*')})`;
  // libseat of root needs nobody.
  if (uid === 0 || env.LIBSEAT_BACKEND !== undefined) return undefined;
  const seatd = env.SEATD_SOCK ?? join(run, 'seatd.sock');
  if (existsSync(seatd) || hasSeat(join(run, 'systemd/sessions'), uid)) return undefined;
  return `this user has no seat (no seatd at ${seatd}, and logind knows no session of user ${uid} that has one)`;
}

/** Whether logind has a session of this user at a seat. Its files have a variable a line. */
function hasSeat(sessions: string, uid: number): boolean {
  return namesIn(sessions).some(name => {
    try {
      const lines = readFileSync(join(sessions, name), 'utf8').split('\n');
      return lines.includes(`UID=${uid}`) && lines.some(line => /^SEAT=./.test(line));
    } catch {
      return false; // the session has ended, or it is the directory of a pipe
    }
  });
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
