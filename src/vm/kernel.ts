/**
 * What the kernel of guests with a wl device needs: Debian's kernel, the modules that a boot takes, our driver built against its headers,
 * and C programs for tests, built with the same tools. In: the package's sources. Out: directories in the cache.
 *
 * To see the driver on other kernels, `VIRTWL_GUEST_SUITE` names the Debian release that the kernel alone is taken from,
 * and `VIRTWL_GUEST_KERNEL` a directory with one that was built by hand (`bzImage`, with what a guest needs built in) and the
 * driver for it (`virtio_wl.ko`).
 */
import { copyFileSync, existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { PACKAGE_ROOT } from '../sandbox/runtime-files.js';
import { artifact, type Say } from './cache.js';
import { run } from './command.js';
import { insideSystem, makeSystem, SUITE, systemInputs, type SystemSpec } from './debian.js';

/** Debian's kernel for VMs: small, and with virtio built in, all but disks. */
const FLAVOUR = 'cloud-amd64';
/** Modules of the kernel's own that a guest needs, in the order of loading; those that the kernel has built in are left out. */
export const BOOT_MODULES = [
  ...[
    'virtio',
    'virtio_ring',
    'virtio_pci_modern_dev',
    'virtio_pci_legacy_dev',
    'virtio_pci',
    'virtio_console',
    'virtio_blk',
  ],
  ...['crc16', 'crc32c_generic', 'mbcache', 'jbd2', 'ext4'],
];

function toolchainSpec(suite: string): SystemSpec {
  return {
    variant: 'apt',
    suite: suite === SUITE ? undefined : suite,
    packages: [
      ...[`linux-headers-${FLAVOUR}`, 'gcc', 'make', 'libc6-dev', 'xz-utils'],
      // What guests run is built with the tools of one release.
      ...(suite === SUITE ? ['gcc-multilib', 'busybox-static', 'sparse'] : []),
    ],
    hooks: [
      // The image is only unpacked: installing it would make an initial RAM disk that nobody uses.
      'chroot "$1" apt-get update -qq',
      // Newer releases have the image and the modules in packages of their own, which that one depends on.
      'chroot "$1" sh -c \'mkdir /kernel && cd /tmp && image=linux-image-$(ls /lib/modules) && apt-get download -qq $image $(apt-cache depends $image | grep -oE "linux-(binary|modules)-[^ ]+" | sort -u) && for package in linux-*.deb; do dpkg-deb -x $package /kernel && rm $package; done\'',
    ],
  };
}

/** A Debian system with its kernel (in /kernel), that kernel's headers and a compiler. */
export function toolchain(say: Say, suite: string = SUITE): Promise<string> {
  const spec = toolchainSpec(suite);
  return artifact(
    {
      name: suite === SUITE ? 'toolchain' : `toolchain-${suite}`,
      inputs: [systemInputs(spec)],
      build: directory => makeSystem(spec, directory, say),
    },
    say,
  );
}

/** Longest that a build of the module or a test program may take, in milliseconds. */
export const BUILD_TIMEOUT_MS = 10 * 60_000;

export interface GuestKernel {
  /** Its release, as uname -r says it. */
  readonly release: string;
  readonly image: string;
  readonly busybox: string;
  /** Paths of modules, in the order of loading; our driver, where the guest has it, is the last. */
  readonly modules: readonly string[];
}

/** What every kernel's way begins with. */
export interface KernelStart {
  /** A system of the guests' release with tools, see {@link toolchain}. */
  readonly tools: string;
  readonly busybox: string;
  /** The kernel that VIRTWL_GUEST_KERNEL names, instead of any other. */
  readonly own: GuestKernel | undefined;
}

/** `driver`: whether a kernel that was built by hand has our driver beside it, `virtio_wl.ko`. */
export async function kernelStart(say: Say, driver: boolean): Promise<KernelStart> {
  const tools = await toolchain(say);
  const busybox = join(tools, 'usr/bin/busybox');
  const directory = process.env.VIRTWL_GUEST_KERNEL;
  const modules = driver && directory !== undefined ? [join(directory, 'virtio_wl.ko')] : [];
  const own = directory === undefined ? undefined : { release: directory, image: join(directory, 'bzImage') };
  return { tools, busybox, own: own && { ...own, busybox, modules } };
}

/** The driver's sources in this package. */
export const DRIVER_DIRECTORY = join(PACKAGE_ROOT, 'bindings/kernel/virtio_wl');
const UAPI_HEADER = join(PACKAGE_ROOT, 'bindings/virtwl_uapi.h');

/** The driver's sources, and the header that it shares with programs: all that a build of it takes. */
export function driverSources(): string[] {
  return [
    ...readdirSync(DRIVER_DIRECTORY)
      .filter(name => /\.[ch]$|^Kbuild$|^Makefile$/.test(name))
      .map(name => join(DRIVER_DIRECTORY, name)),
    UAPI_HEADER,
  ];
}

function noKernel(system: string): never {
  throw new Error(`${system} has no kernel: remove that directory to have it made anew`);
}

/** Where the kernel package's modules are, by its release: a part of the system's path. */
export function kernelModules(system: string): { release: string; directory: string } {
  // Debian 12 has them in /lib, which is a link in a whole system and is none in an unpacked package.
  const directory = ['kernel/usr/lib/modules', 'kernel/lib/modules'].find(path => existsSync(join(system, path)));
  const [release] = directory === undefined ? [] : readdirSync(join(system, directory));
  if (directory === undefined || release === undefined) return noKernel(system);
  return { release, directory: join('/', directory, release) };
}

/** Path of the kernel itself; newer releases have it beside its modules. */
export function kernelImage(system: string): string {
  const { release, directory } = kernelModules(system);
  const paths = [`kernel/boot/vmlinuz-${release}`, `${directory}/vmlinuz`].map(path => join(system, path));
  return paths.find(existsSync) ?? noKernel(system);
}

/** The kernel and its modules, with our driver. A warning of the compiler (W=1) fails the build. */
export async function guestKernel(
  say: Say,
  suite: string = process.env.VIRTWL_GUEST_SUITE ?? SUITE,
): Promise<GuestKernel> {
  const { busybox, own } = await kernelStart(say, true);
  if (own !== undefined) return own;
  const system = await toolchain(say, suite);
  const { release, directory } = kernelModules(system);
  const sources = driverSources();
  const place = await artifact(
    {
      name: suite === SUITE ? 'modules' : `modules-${suite}`,
      inputs: [basename(system), ...BOOT_MODULES, ...sources.flatMap(path => [basename(path), readFileSync(path)])],
      build: async work => {
        for (const path of sources) copyFileSync(path, join(work, basename(path)));
        const script = [
          'set -e',
          `make -s -C /lib/modules/${release}/build M=/mnt W=1 KCFLAGS=-Werror modules`,
          'mkdir out && cp virtio_wl.ko out/',
          `for name in ${BOOT_MODULES.join(' ')}; do`,
          // Underscores in a module's name may be hyphens in its file's.
          `  path=$(find ${directory} -name $name.ko -o -name $name.ko.xz -o -name $(echo $name | tr _ -).ko.xz)`,
          '  case $path in *.xz) xz -dc $path > out/$name.ko;; ?*) cp $path out/$name.ko;; esac',
          'done',
          'for file in *; do [ "$file" = out ] || rm -r "$file"; done; find . -maxdepth 1 -name ".*" -type f -delete; mv out/* . && rmdir out',
        ].join('\n');
        await run(insideSystem(system, work, ['sh', '-c', script]), {
          doing: 'the driver',
          timeoutMs: BUILD_TIMEOUT_MS,
          say,
        });
      },
    },
    say,
  );
  return {
    release,
    image: kernelImage(system),
    busybox,
    modules: [...BOOT_MODULES, 'virtio_wl'].map(name => join(place, `${name}.ko`)).filter(path => existsSync(path)),
  };
}

/**
 * A C program of one file for the guests, statically linked; it may include `virtwl_uapi.h` and the headers beside it. Its
 * path. `bits`: of its ABI.
 */
export async function guestProgram(source: string, say: Say, bits: 32 | 64 = 64): Promise<string> {
  const system = await toolchain(say);
  const name = basename(source, '.c');
  const beside = dirname(source);
  const headers = [
    UAPI_HEADER,
    ...readdirSync(beside)
      .filter(file => file.endsWith('.h'))
      .sort()
      .map(file => join(beside, file)),
  ];
  const place = await artifact(
    {
      name: bits === 32 ? `program32-${name}` : `program-${name}`,
      inputs: [basename(system), ...[source, ...headers].flatMap(path => [basename(path), readFileSync(path)])],
      build: async work => {
        for (const path of [source, ...headers]) copyFileSync(path, join(work, basename(path)));
        const compile = [
          'gcc',
          '-Wall',
          '-Wextra',
          '-Werror',
          '-Wno-unused-result',
          '-O2',
          `-m${bits}`,
          '-static',
          '-o',
          name,
          `${name}.c`,
        ];
        await run(insideSystem(system, work, compile), {
          doing: `the program ${name}`,
          timeoutMs: BUILD_TIMEOUT_MS,
          say,
        });
        for (const path of [source, ...headers]) rmSync(join(work, basename(path)));
      },
    },
    say,
  );
  return join(place, name);
}
