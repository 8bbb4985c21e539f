/**
 * What any process of ours needs of a machine: Node.js, the native addon, descriptors, a directory for sockets.
 */
import { accessSync, constants, readFileSync, statfsSync, statSync } from 'node:fs';
import { messageOf, type Finding } from './finding.js';

const GIB = 2 ** 30;
const MIB = 2 ** 20;

/** Descriptors below which a process of many clients stops accepting: each client is one or two. */
export const WANTED_DESCRIPTORS = 4096;

/** Room in /dev/shm below which applications that make their buffers there fail: two of a 4K window. */
export const WANTED_SHM_BYTES = 64 * MIB;

/** The oldest Node.js that package.json allows, against the one that runs. */
export function checkNode(version = process.versions.node): Finding {
  const wanted = oldestNode();
  const name = 'Node.js';
  const detail = `${version} (${process.execPath})`;
  if (compareVersions(version, wanted) >= 0) return { name, state: 'holds', detail };
  return {
    name,
    state: 'fails',
    detail: `${version}, and ${wanted} is the oldest that we run on`,
    advice: 'Debian 13: apt-get install nodejs; Debian 12: take it from nodejs.org',
  };
}

function oldestNode(): string {
  const description = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  const { engines } = JSON.parse(description) as { engines: { node: string } };
  return engines.node.replace(/^[^\d]*/, '');
}

/** Below zero where `a` is older than `b`; numbers between dots. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map(version => version.split('.').map(part => parseInt(part, 10) || 0));
  for (let i = 0; i < Math.max(left!.length, right!.length); i++) {
    const difference = (left![i] ?? 0) - (right![i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** The addon, loaded here and not before: without it nothing else of ours can be. */
export async function checkAddon(): Promise<Finding> {
  const name = 'native addon';
  try {
    const { native } = await import('../system/native.js');
    return { name, state: 'holds', detail: `loaded; pages of ${native.pageSize} bytes` };
  } catch (error) {
    return {
      name,
      state: 'fails',
      detail: messageOf(error),
      advice: 'npm run build in a checkout; for an installed package: docs/vm-images.md, "The package"',
    };
  }
}

/** RLIMIT_NOFILE. Node.js raises the soft limit to the hard one when it starts. */
export function checkDescriptors(limits = readFileSync('/proc/self/limits', 'utf8')): Finding {
  const name = 'descriptors';
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1] ?? 'unknown';
  const count = hard === 'unlimited' ? Infinity : Number(hard);
  if (count >= WANTED_DESCRIPTORS) return { name, state: 'holds', detail: `a process may have ${hard} open` };
  return {
    name,
    state: 'lacks',
    detail: `a process may have ${hard} open; with many clients, further ones are refused`,
    advice: `raise it to ${WANTED_DESCRIPTORS}: ulimit -Hn, or LimitNOFILE= of a systemd unit`,
  };
}

/** Where sockets go by default, and where Wayland programs look for theirs. */
export function checkRuntimeDirectory(path = process.env.XDG_RUNTIME_DIR): Finding {
  const name = 'XDG_RUNTIME_DIR';
  const advice = 'log in through systemd-logind, or make one: mkdir -m 700 DIR; export XDG_RUNTIME_DIR=DIR';
  if (path === undefined || path === '') {
    const detail = 'not set: virtwl uses temporary directories; Wayland programs of your own need it';
    return { name, state: 'note', detail, advice };
  }
  try {
    const { mode, uid } = statSync(path);
    accessSync(path, constants.W_OK | constants.X_OK);
    if ((mode & 0o022) !== 0 || uid !== process.geteuid?.()) {
      const detail = `${path} belongs to another user or can be written by others, who could put sockets there`;
      return { name, state: 'fails', detail, advice };
    }
    return { name, state: 'holds', detail: path };
  } catch (error) {
    return { name, state: 'fails', detail: messageOf(error), advice };
  }
}

/** Room for the buffers of applications that make them in /dev/shm; virtwl itself does not. */
export function checkSharedMemory(path = '/dev/shm', wanted = WANTED_SHM_BYTES): Finding {
  const name = path;
  const advice = 'mount it, or make it larger: mount -o remount,size=1G /dev/shm; for Docker --shm-size=1g';
  try {
    const { bavail, bsize } = statfsSync(path);
    const free = bavail * bsize;
    if (free >= wanted) return { name, state: 'holds', detail: `${describeBytes(free)} free` };
    const detail = `${describeBytes(free)} free: applications that make their buffers there may fail`;
    return { name, state: 'lacks', detail, advice };
  } catch (error) {
    return { name, state: 'lacks', detail: messageOf(error), advice };
  }
}

export function describeBytes(bytes: number): string {
  return bytes >= GIB ? `${(bytes / GIB).toFixed(1)} GiB` : `${(bytes / MIB).toFixed(1)} MiB`;
}
