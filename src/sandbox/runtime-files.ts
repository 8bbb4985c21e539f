/**
 * What any process of ours needs in order to run, and all that a confined one sees of the machine beside its own
 * directories: Node.js, the shared libraries it is linked with, our compiled code, and the packages that code uses.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addonPath } from '../system/addon.js';

/** The directory that holds package.json, found from where this file runs (dist/src/sandbox, or dist/bundle/cli). */
export const PACKAGE_ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** The directory of the bundled programs, which have the packages they use in them. */
export const BUNDLE = join(PACKAGE_ROOT, 'dist/bundle');

/** Our compiled code as it runs here: dist/src, or {@link BUNDLE}. */
const CODE = dirname(fileURLToPath(new URL('.', import.meta.url)));

/** Packages that a confined process loads, where it is not bundled. */
const PACKAGES = ['commander', 'eventemitter3'] as const;

/**
 * Where a distribution's Node.js, which is linked with libnode, reads some of its built-in modules from at every start
 * (Debian: cjs-module-lexer, undici, acorn and others, as files of packages of their own).
 */
const SHARED_BUILTINS = '/usr/share/nodejs';

/**
 * Absolute paths, each once: regular files, and directories that belong as a whole.
 * @param code the directory of the code that is to run
 */
export function runtimeFiles(code = CODE): readonly string[] {
  return [
    ...new Set([
      process.execPath,
      ...sharedLibraries(),
      ...(linkedWithLibnode() && existsSync(SHARED_BUILTINS) ? [SHARED_BUILTINS] : []),
      addonPath(),
      code,
      join(PACKAGE_ROOT, 'package.json'),
      ...(code === BUNDLE ? [] : PACKAGES.map(packageDirectory)),
    ]),
  ];
}

/** The directories of the shared libraries: inside, the dynamic linker has no cache to find them by. */
export function libraryDirectories(): string[] {
  return [...new Set(sharedLibraries().map(dirname))];
}

function linkedWithLibnode(): boolean {
  return (process.config.variables as unknown as Record<string, unknown>).node_shared === true;
}

let libraries: readonly string[] | undefined;

/** The shared libraries of Node.js and of our addon, the dynamic linker included, as ldd lists them. */
function sharedLibraries(): readonly string[] {
  return (libraries ??= [
    ...new Set(
      [process.execPath, addonPath()].flatMap(file => {
        return [...ldd(file).matchAll(/(?:=> )?(\/\S+) \(0x/g)].map(match => match[1]!);
      }),
    ),
  ]);
}

function ldd(file: string): string {
  try {
    return execFileSync('ldd', [file], { encoding: 'utf8' });
  } catch (cause) {
    throw new Error(`ldd does not tell the shared libraries of ${file}: ${(cause as Error).message}`, { cause });
  }
}

/** Where Node.js looks for a package and finds it: perhaps a symbolic link, which is no less its name. */
function packageDirectory(name: string): string {
  const places = createRequire(import.meta.url).resolve.paths(name) ?? [];
  const found = places.map(place => join(place, name)).find(directory => existsSync(directory));
  if (found === undefined) throw new Error(`the package ${name} is not installed: npm ci`);
  return found;
}
