/**
 * Confinement by bubblewrap: user, mount, PID, network, IPC, UTS and (where there is one) cgroup namespaces of its own,
 * a session of its own, no capabilities, and a root that is empty and read-only but for what is bound into it. Nothing
 * of the machine is there: no /etc, no /usr, no /home; only the Node.js that runs, the libraries it is linked with, our
 * own code, and what the {@link Confinement} names.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Confinement } from './confinement.js';

/** The user that a confined process is, to itself: nobody. */
const UID = 65534;

/** The folder that holds package.json, found from where this file runs (dist/src/sandbox). */
export const PACKAGE_ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** Packages that a confined process loads. */
const PACKAGES = ['commander', 'eventemitter3'] as const;

/**
 * The arguments of bwrap for a confinement, up to and with the program. `infoFd` is where bwrap tells the process's id;
 * `environment` is the whole of the process's environment.
 */
export function bubblewrapArguments(
  confinement: Confinement,
  infoFd: number,
  environment: Readonly<Record<string, string>>,
): string[] {
  const bind = (how: string, path: string): string[] => [how, realpathSync(path), path];
  return [
    ...['--unshare-user', '--unshare-ipc', '--unshare-pid', '--unshare-net', '--unshare-uts', '--unshare-cgroup-try'],
    ...['--uid', String(UID), '--gid', String(UID), '--hostname', 'virtwl'],
    ...['--die-with-parent', '--new-session', '--as-pid-1', '--cap-drop', 'ALL', '--clearenv'],
    ...Object.entries(environment).flatMap(([name, value]) => ['--setenv', name, value]),
    ...['--info-fd', String(infoFd)],
    ...[...runtimeFiles(), ...confinement.readable].flatMap(path => bind('--ro-bind', path)),
    ...['--proc', '/proc', '--dev-bind', '/dev/null', '/dev/null'],
    ...confinement.writable.flatMap(path => bind('--bind', path)),
    ...['--remount-ro', '/', '--chdir', '/', '--'],
    ...[process.execPath, ...confinement.command],
  ];
}

let runtime: string[] | undefined;

/** What any process of ours needs to run: Node.js, shared libraries, our code and the packages it uses. */
function runtimeFiles(): string[] {
  return (runtime ??= [
    ...new Set([
      process.execPath,
      ...sharedLibraries(process.execPath),
      ...sharedLibraries(addonPath()),
      addonPath(),
      join(PACKAGE_ROOT, 'dist'),
      join(PACKAGE_ROOT, 'package.json'),
      ...PACKAGES.map(packageFolder),
    ]),
  ]);
}

function addonPath(): string {
  return process.env['VIRTWL_NATIVE'] ?? join(PACKAGE_ROOT, 'build/Release/virtwl.node');
}

/** The shared libraries of a program, the dynamic linker included, as ldd lists them. */
function sharedLibraries(file: string): string[] {
  const listed = execFileSync('ldd', [file], { encoding: 'utf8' });
  return [...listed.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map(match => match[1] as string);
}

function packageFolder(name: string): string {
  let folder = dirname(createRequire(import.meta.url).resolve(name));
  while (!existsSync(join(folder, 'package.json')) || !folder.endsWith(name)) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`the package ${name} is not installed: npm ci`);
    folder = parent;
  }
  return folder;
}
