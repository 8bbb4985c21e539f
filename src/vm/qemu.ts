/**
 * Which QEMU runs the VMs: one that has the general vhost-user device with shared memory, 11.1 or newer. The machine's
 * own is taken where it will do; else one is unpacked into the cache from Debian's backports, with its libraries, and
 * run through its own dynamic linker, so that the host's release does not matter.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { artifact, type Say } from './cache.js';
import { makeSystem, systemInputs, type SystemSpec } from './debian.js';

/** The device that QEMU lacks before 11.1. */
export const VHOST_USER_DEVICE = 'vhost-user-test-device-pci';
const LEAST_VERSION = [11, 1] as const;

export interface Qemu {
  readonly command: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
  /** As it says it itself, for messages and for the cache. */
  readonly version: string;
}

const SYSTEM: SystemSpec = {
  variant: 'extract',
  packages: ['qemu-system-x86'],
  // Its firmware comes with it; nothing else may, or the kernel headers' dependencies break.
  fromBackports: ['qemu-system-x86', 'qemu-system-common', 'qemu-system-data', 'seabios', 'ipxe-qemu'],
};

/** What the binary says of its version, where it is new enough and has the device; else why not. */
function suitable(
  command: readonly [string, ...string[]],
  env: Readonly<Record<string, string>>,
): { version?: string; fault?: string } {
  const [program, ...args] = command;
  const ask = (...more: string[]): string =>
    execFileSync(program, [...args, ...more], {
      env: { ...process.env, ...env },
      encoding: 'utf8',
      timeout: 60_000,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  try {
    const version = /version (\d+)\.(\d+)[^\n]*/.exec(ask('--version'));
    if (version === null) return { fault: 'does not say its version' };
    const [major, minor] = [Number(version[1]), Number(version[2])] as const;
    if (major < LEAST_VERSION[0] || (major === LEAST_VERSION[0] && minor < LEAST_VERSION[1])) {
      return { fault: `is ${major}.${minor}, and ${LEAST_VERSION.join('.')} is needed` };
    }
    if (!ask('-machine', 'none', '-device', 'help').includes(`"${VHOST_USER_DEVICE}"`))
      return { fault: `has no ${VHOST_USER_DEVICE}` };
    return { version: version[0] };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return { fault: code === 'ENOENT' ? 'is not there' : `does not run (${code ?? String(error)})` };
  }
}

/** How to run a QEMU that was unpacked into `root`. */
function unpacked(root: string): Omit<Qemu, 'version'> {
  const libraries = join(root, 'usr/lib/x86_64-linux-gnu');
  const data = ['usr/share/qemu', 'usr/share/seabios', 'usr/lib/ipxe/qemu', 'usr/share/ipxe/qemu'].map(path =>
    join(root, path),
  );
  return {
    command: [
      join(libraries, 'ld-linux-x86-64.so.2'),
      ...['--library-path', [libraries, join(libraries, 'pulseaudio')].join(':')],
      join(root, 'usr/bin/qemu-system-x86_64'),
      ...data.filter(existsSync).flatMap(path => ['-L', path]),
    ],
    env: { QEMU_MODULE_DIR: join(libraries, 'qemu') },
  };
}

/** `VIRTWL_QEMU` if set, else the machine's if it will do, else a private one, made if need be. */
export async function findQemu(say: Say): Promise<Qemu> {
  const named = process.env.VIRTWL_QEMU;
  const own: [string] = [named ?? 'qemu-system-x86_64'];
  const { version, fault } = suitable(own, {});
  if (version !== undefined) return { command: own, env: {}, version };
  if (named !== undefined) throw new Error(`VIRTWL_QEMU names ${named}, which ${fault}`);
  const root = await artifact(
    {
      name: 'qemu',
      inputs: [systemInputs(SYSTEM)],
      build: async directory => {
        await makeSystem(SYSTEM, directory, say);
      },
    },
    say,
  );
  const how = unpacked(root);
  const found = suitable(how.command, how.env);
  if (found.version === undefined) {
    throw new Error(
      `the QEMU in ${root} ${found.fault}; remove that directory to have it made anew, or name another one in VIRTWL_QEMU`,
    );
  }
  return { ...how, version: found.version };
}
