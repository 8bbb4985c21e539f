/**
 * The disks of the demonstration's guests: Debian systems with a compositor, or with applications. They change with their
 * package lists only; this package is not on them, but goes along in the RAM disk of each boot ({@link packageFiles}), so
 * that a changed line of it costs no new image.
 */
import { existsSync, lstatSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../sandbox/runtime-files.js';
import { addonPath, prebuiltAddon } from '../system/addon.js';
import { artifact, type Say } from './cache.js';
import { link, type CpioEntry } from './cpio.js';
import { makeSystemImage, systemInputs, type SystemSpec } from './debian.js';
import { EXTRA_DIRECTORY } from './initramfs.js';

export const IMAGES = ['compositor', 'client'] as const;
export type ImageName = (typeof IMAGES)[number];

/** Who runs compositors and applications in a guest: sway refuses to run as root. */
export const GUEST_USER = 'user';

/** Room of a disk in bytes. The file is sparse, and a guest's own writes are never in it. */
const DISK_BYTES = 3 * 2 ** 30;

/** Also the applications: what a client VM shows is compared with what the same program shows beside the compositor. */
const COMMON = [
  ...['nodejs', 'fonts-dejavu-core', 'xkb-data', 'util-linux', 'coreutils', 'procps', 'strace', 'adwaita-icon-theme'],
  ...['foot', 'gtk-3-examples', 'wl-clipboard', 'xwayland', 'xterm'],
];
const PACKAGES: Readonly<Record<ImageName, readonly string[]>> = {
  // grim takes the picture that the demonstration leaves. The rest is for a boot by systemd, as images of others do; all
  // roles of `virtwl units` have what they need there.
  compositor: [
    ...[...COMMON, 'sway', 'grim'],
    ...['systemd-sysv', 'udev', 'libpam-systemd', 'dbus-user-session', 'bubblewrap'],
  ],
  client: [...COMMON, 'weston'],
};

function spec(name: ImageName, more: readonly string[]): SystemSpec {
  return {
    variant: 'minbase',
    packages: [...PACKAGES[name], ...[...more].sort()],
    hooks: [
      `chroot "$1" useradd --create-home --uid 1000 --shell /bin/sh ${GUEST_USER}`,
      `mkdir -p "$1${EXTRA_DIRECTORY}" "$1/agent"`,
      `echo virtwl-${name} > "$1/etc/hostname"`,
    ],
  };
}

/** Path of the disk. `more`: further packages of Debian's in it; each set of them has a disk of its own. */
export async function diskImage(name: ImageName, say: Say, more: readonly string[] = []): Promise<string> {
  const wanted = spec(name, more);
  const place = await artifact(
    {
      name: `disk-${name}`,
      inputs: [systemInputs(wanted), String(DISK_BYTES)],
      build: directory => makeSystemImage(wanted, join(directory, 'disk'), DISK_BYTES, directory, say),
    },
    say,
  );
  return join(place, 'disk');
}

/** What of this package a guest runs. Its native addon goes with it. */
const PACKAGE_PARTS = ['package.json', 'dist/bundle'];
/** What only a checkout has, for programs of tests and of the benchmark; and the packages that these need. */
const MODULES = ['dist/src', 'dist/compositor-glue'];
const PACKAGES_NEEDED = ['commander', 'eventemitter3', 'pngjs'];

/** What else of the checkout a guest gets: tests run in guests too. */
export interface MorePackageFiles {
  /** Files and directories of the checkout. */
  readonly parts?: readonly string[];
  /** Packages of node_modules, with all that they need. */
  readonly packages?: readonly string[];
  /** Packages that they name and that are left out. */
  readonly without?: RegExp;
}

/** The Node.js ABI of the guests' Debian: 20.x. */
const GUEST_MODULES_VERSION = '115';

/** The addon that a guest loads: this process's own, or, where that is for another Node.js, the one that the package brings. */
function guestAddon(): string {
  if (process.versions.modules === GUEST_MODULES_VERSION) return addonPath();
  const prebuilt = join(PACKAGE_ROOT, prebuiltAddon({ ...process, abi: GUEST_MODULES_VERSION }));
  if (existsSync(prebuilt)) return prebuilt;
  throw new Error(
    `the guests have Node.js 20, this is ${process.version}, and ${prebuilt}, which would load there, is not built. ` +
      'Run with Node.js 20, or build it: npm run package',
  );
}

/** This package as it is built now, in `/virtwl/package`, with a command `/virtwl/virtwl`. */
export function packageFiles({ parts = [], packages = [], without }: MorePackageFiles = {}): CpioEntry[] {
  const base = `${EXTRA_DIRECTORY.slice(1)}/package`;
  const entries: CpioEntry[] = [];
  const add = (path: string): void => {
    const full = join(PACKAGE_ROOT, path);
    const stat = lstatSync(full);
    if (stat.isDirectory()) {
      for (const name of readdirSync(full).sort()) if (!/\.(map|ts|md)$/.test(name)) add(`${path}/${name}`);
    } else if (stat.isSymbolicLink()) {
      entries.push(link(`${base}/${path}`, readlinkSync(full)));
    } else {
      entries.push({ path: `${base}/${path}`, mode: 0o100000 | (stat.mode & 0o755), content: readFileSync(full) });
    }
  };
  const checkout = existsSync(join(PACKAGE_ROOT, 'dist/src/index.js'));
  [...PACKAGE_PARTS, ...(checkout ? MODULES : []), ...parts].forEach(add);
  entries.push({ path: `${base}/build/Release/virtwl.node`, mode: 0o100755, content: readFileSync(guestAddon()) });
  for (const directory of neededPackages([...(checkout ? PACKAGES_NEEDED : []), ...packages], without)) add(directory);
  entries.push({
    path: `${EXTRA_DIRECTORY.slice(1)}/virtwl`,
    mode: 0o100755,
    content: Buffer.from(`#!/bin/sh\nexec node ${EXTRA_DIRECTORY}/package/dist/bundle/cli/main.js "$@"\n`),
  });
  return entries;
}

/** The directories of packages and of all that they need; a package that lies inside another one's directory comes with that. */
function neededPackages(names: readonly string[], without: RegExp | undefined): string[] {
  const directories = new Set<string>();
  const add = (name: string, from: string): void => {
    if (without?.test(name) === true) return;
    // As Node.js looks for it: beside the one that needs it, or further up.
    let at = from;
    while (at !== '' && !existsSync(join(PACKAGE_ROOT, at, 'node_modules', name)))
      at = at.slice(0, Math.max(0, at.lastIndexOf('/')));
    const directory = join(at, 'node_modules', name);
    if (directories.has(directory)) return;
    const description = JSON.parse(readFileSync(join(PACKAGE_ROOT, directory, 'package.json'), 'utf8')) as {
      dependencies?: Record<string, string>;
      peerDependencies?: Record<string, string>;
      peerDependenciesMeta?: Record<string, { optional?: boolean }>;
    };
    directories.add(directory);
    const { dependencies, peerDependencies = {}, peerDependenciesMeta = {} } = description;
    const peers = Object.keys(peerDependencies).filter(peer => peerDependenciesMeta[peer]?.optional !== true);
    for (const needed of [...Object.keys(dependencies ?? {}), ...peers]) add(needed, directory);
  };
  for (const name of names) add(name, '');
  return [...directories].filter(directory => directory.lastIndexOf('node_modules/') === 0);
}
