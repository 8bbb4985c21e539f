/**
 * Debian systems in directories, made with mmdebstrap. The guests' system and its tools are those of one release, whatever
 * the host runs.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Say } from './cache.js';
import { run } from './command.js';

/** The guests' release. */
export const SUITE = 'trixie';
export const MIRROR = process.env.VIRTWL_MIRROR ?? 'http://deb.debian.org/debian';
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

export interface SystemSpec {
  /** Its release, where it is not the guests'. */
  readonly suite?: string | undefined;
  /** Packages beside what the variant has. */
  readonly packages: readonly string[];
  /** mmdebstrap's: `extract` unpacks and runs nothing, `apt` is the least that installs packages. */
  readonly variant: 'extract' | 'apt' | 'minbase';
  /** Packages that come from backports; no other does. */
  readonly fromBackports?: readonly string[];
  /** mmdebstrap's customize hooks, shell; of `extract`, which has none, its extract hooks. */
  readonly hooks?: readonly string[];
}

/** What decides the result, but for what the mirror has got meanwhile. */
export function systemInputs(spec: SystemSpec): string {
  return JSON.stringify([SUITE, MIRROR, spec]);
}

const releaseOf = (spec: SystemSpec): string => spec.suite ?? SUITE;

/** The command that writes the system to standard output as a tar file. */
function mmdebstrap(spec: SystemSpec): string[] {
  const release = releaseOf(spec);
  const signed = existsSync(KEYRING) ? `[signed-by=${KEYRING}] ` : '';
  const source = (suite: string): string => `deb ${signed}${MIRROR} ${suite} main`;
  const backports = spec.fromBackports ?? [];
  // apt prefers a release over its backports anyway, and would then mix: the pin is for the named packages, and against all others.
  const pins =
    `Package: *\\nPin: release n=${release}-backports\\nPin-Priority: 1\\n\\n` +
    `Package: ${backports.join(' ')}\\nPin: release n=${release}-backports\\nPin-Priority: 990\\n`;
  return [
    'mmdebstrap',
    `--variant=${spec.variant}`,
    ...(spec.packages.length > 0 ? [`--include=${spec.packages.join(',')}`] : []),
    '--aptopt=Apt::Install-Recommends "false"',
    '--aptopt=Acquire::Retries "3"',
    ...['man', 'doc', 'locale', 'info'].map(kind => `--dpkgopt=path-exclude=/usr/share/${kind}/*`),
    ...(backports.length > 0
      ? [`--setup-hook=mkdir -p "$1/etc/apt/preferences.d" && printf '${pins}' > "$1/etc/apt/preferences.d/backports"`]
      : []),
    ...(spec.hooks ?? []).map(hook => `--${spec.variant === 'extract' ? 'extract' : 'customize'}-hook=${hook}`),
    ...[release, '-', source(release)],
    ...(backports.length > 0 ? [source(`${release}-backports`)] : []),
  ];
}

const quote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

/** Longest that a system may take to be made, in milliseconds: slow mirrors and machines included. */
const SYSTEM_TIMEOUT_MS = 30 * 60_000;

/** Makes the system in `directory`, all of it owned by this user: to be read, not to be booted. */
export async function makeSystem(spec: SystemSpec, directory: string, say: Say): Promise<void> {
  const make = mmdebstrap(spec).map(quote).join(' ');
  const unpack = `tar -x --no-same-owner --exclude=./dev/* -C ${quote(directory)}`;
  await run(['bash', '-c', `set -o pipefail; ${make} | ${unpack}`], {
    doing: `a ${releaseOf(spec)} system with ${spec.packages.length} packages`,
    timeoutMs: SYSTEM_TIMEOUT_MS,
    say,
  });
}

/**
 * Makes an ext4 file system of `bytes` (sparse) with the system in `file`, as root would have made it: with fakeroot's
 * help where this user is another.
 */
export async function makeSystemImage(
  spec: SystemSpec,
  file: string,
  bytes: number,
  work: string,
  say: Say,
): Promise<void> {
  const root = join(work, 'root');
  const make = mmdebstrap(spec).map(quote).join(' ');
  const tar = join(work, 'root.tar');
  await run(['bash', '-c', `${make} > ${quote(tar)}`], {
    doing: `a ${releaseOf(spec)} system with ${spec.packages.length} packages`,
    timeoutMs: SYSTEM_TIMEOUT_MS,
    say,
  });
  const unpack =
    `mkdir ${quote(root)} && tar -x -p --numeric-owner --exclude=./dev/* -f ${quote(tar)} -C ${quote(root)} && rm ${quote(tar)} && ` +
    `truncate -s ${bytes} ${quote(file)} && mkfs.ext4 -q -F -O ^has_journal -E root_owner=0:0 -d ${quote(root)} ${quote(file)} && ` +
    `rm -rf ${quote(root)}`;
  const shell: [string, ...string[]] =
    process.getuid?.() === 0 ? ['sh', '-c', unpack] : ['fakeroot', 'sh', '-c', unpack];
  await run(shell, {
    doing: 'its file system',
    timeoutMs: SYSTEM_TIMEOUT_MS,
    say,
    env: { PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin` },
  });
}

/** The command that runs `command` in a system of {@link makeSystem}: it is read-only there, but for `work` at /mnt. */
export function insideSystem(root: string, work: string, command: readonly string[]): [string, ...string[]] {
  return [
    ...([
      'bwrap',
      '--unshare-all',
      '--die-with-parent',
      '--ro-bind',
      root,
      '/',
      '--bind',
      work,
      '/mnt',
      '--tmpfs',
      '/tmp',
    ] as const),
    ...[
      '--dev',
      '/dev',
      '--proc',
      '/proc',
      '--chdir',
      '/mnt',
      '--setenv',
      'PATH',
      '/usr/bin:/bin:/usr/sbin:/sbin',
      '--',
    ],
    ...command,
  ];
}
