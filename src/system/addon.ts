/**
 * Which file the native addon is, and why one cannot be loaded. What passes through: the path of a built or prebuilt
 * addon, and the sentence that an operator reads where there is none.
 *
 * The package brings addons for the Node.js versions and processors that {@link PREBUILT} has directories of, so that a
 * guest needs no compiler; nothing is chosen at installation, and the package has no install script, which npm would not
 * run unasked. What was built here, by `src/setup/native.sh`, comes first: whoever built it wants it.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The package's directory, from where this file runs: dist/src/system, or dist/bundle/cli. */
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
/** Where an addon is that was built on this machine. */
const BUILT = 'build/Release/virtwl.node';
/** Directories of the package's own addons, named PLATFORM-ARCHITECTURE-ABI. */
const PREBUILT = 'dist/prebuilt';

/** What decides which addon fits. */
export interface Runtime {
  readonly platform: string;
  readonly arch: string;
  /** NODE_MODULE_VERSION, the number of Node.js's binary interface: 115 for Node.js 20. */
  readonly abi: string;
  /** As it is told to people: `v20.19.2`. */
  readonly version: string;
  /** The version of glibc; undefined where another C library is in its place (musl). */
  readonly glibc: string | undefined;
}

/** What runs here. The report that tells the C library costs some milliseconds: it is for errors. */
function runtime(): Runtime {
  const report = process.report.getReport() as unknown as { header?: { glibcVersionRuntime?: string } };
  const { platform, arch, version, versions } = process;
  return { platform, arch, abi: versions.modules, version, glibc: report.header?.glibcVersionRuntime };
}

/** The path below the package of the prebuilt addon that fits. */
export function prebuiltAddon({ platform, arch, abi }: Pick<Runtime, 'platform' | 'arch' | 'abi'>): string {
  return `${PREBUILT}/${platform}-${arch}-${abi}/virtwl.node`;
}

/**
 * The absolute path of the addon that is to be loaded, whether it is there or not: VIRTWL_NATIVE, what was built here, or
 * what the package brings.
 * @param root the package's directory
 */
export function addonPath(root = ROOT): string {
  const built = join(root, BUILT);
  const named = process.env.VIRTWL_NATIVE;
  if (named !== undefined) return named;
  if (existsSync(built)) return built;
  const prebuilt = join(root, prebuiltAddon({ ...process, abi: process.versions.modules }));
  return existsSync(prebuilt) ? prebuilt : built;
}

/** The command that builds the addon, where this package is. */
function buildCommand(root: string): string {
  // The package has no sources of its TypeScript; a checkout has.
  return existsSync(join(root, 'tsconfig.json'))
    ? 'npm run build'
    : 'npm install node-gyp nan beside this package (with --global where it is global), then virtwl-build-addon, with g++, make and python3 installed';
}

/**
 * Why the addon at `path` could not be loaded, and what to do, in one sentence.
 * @param message what dlopen(3) said; undefined where there is no file
 */
export function whyNotLoaded(path: string, message: string | undefined, here = runtime(), root = ROOT): string {
  const node = `Node.js ${here.version} (ABI ${here.abi}) on ${here.platform}-${here.arch}`;
  const build = `build it with: ${buildCommand(root)}`;
  if (message === undefined) {
    return `the native addon is neither built (${path}) nor prebuilt for ${node}; ${build}`;
  }
  const problem = `the native addon ${path} cannot be loaded by ${node}`;
  if (here.glibc === undefined)
    return `${problem}: it is for glibc, and this C library is another one (musl); ${build}`;
  const wanted = /version `((?:GLIBC|GLIBCXX|CXXABI)_[\d.]+)' not found/.exec(message)?.[1];
  if (wanted !== undefined) {
    return `${problem}: it needs ${wanted.replace('_', ' ')}, and this system (glibc ${here.glibc}) is older; ${build}`;
  }
  // All symbols are looked up at once, so most often one is missing before Node.js compares its number.
  if (/NODE_MODULE_VERSION \d+|undefined symbol: \S*(v8|node|uv_)/.test(message)) {
    return `${problem}: it was built for another Node.js; ${build}`;
  }
  return `${problem} (${message.split('\n')[0]}); ${build}`;
}
