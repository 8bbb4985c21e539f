/**
 * What the guests' kernel needs: Debian's kernel, the modules that a boot takes, our driver built against its headers,
 * and C programs for tests, built in the same system. In: the package's sources. Out: folders in the cache.
 */
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { PACKAGE_ROOT } from '../sandbox/runtime-files.js';
import { artifact, type Say } from './cache.js';
import { run } from './command.js';
import { insideSystem, makeSystem, systemInputs, type SystemSpec } from './debian.js';

/** Debian's kernel for VMs: small, and with virtio built in, all but disks. */
const FLAVOUR = 'cloud-amd64';
/** Modules of the kernel's own that a guest with a disk needs, in the order of loading. */
const BOOT_MODULES = ['virtio_blk'];

const TOOLCHAIN: SystemSpec = {
  variant: 'apt',
  packages: [`linux-headers-${FLAVOUR}`, 'gcc', 'make', 'libc6-dev', 'busybox-static', 'sparse'],
  hooks: [
    // The image is only unpacked: installing it would make an initial RAM disk that nobody uses.
    'chroot "$1" apt-get update -qq',
    'chroot "$1" sh -c \'mkdir /kernel && cd /tmp && apt-get download -qq linux-image-$(ls /lib/modules) && dpkg-deb -x linux-image-*.deb /kernel && rm linux-image-*.deb\'',
  ],
};

/** A Debian system with the kernel (in /kernel), its headers and a compiler. */
export function toolchain(say: Say): Promise<string> {
  return artifact(
    { name: 'toolchain', inputs: [systemInputs(TOOLCHAIN)], build: folder => makeSystem(TOOLCHAIN, folder, say) },
    say,
  );
}

/** Longest that a build of the module or a test program may take, in milliseconds. */
const BUILD_TIMEOUT_MS = 10 * 60_000;

export interface GuestKernel {
  /** Its release, as uname -r says it. */
  readonly release: string;
  readonly image: string;
  readonly busybox: string;
  /** Paths of modules, in the order of loading; the last is our driver. */
  readonly modules: readonly string[];
}

/** The driver's sources in this package. */
export const DRIVER_FOLDER = join(PACKAGE_ROOT, 'bindings/kernel/virtio_wl');
const UAPI_HEADER = join(PACKAGE_ROOT, 'bindings/virtwl_uapi.h');

function driverSources(): string[] {
  return [...readdirSync(DRIVER_FOLDER).filter(name => /\.[ch]$|^Kbuild$|^Makefile$/.test(name)).map(name => join(DRIVER_FOLDER, name)), UAPI_HEADER];
}

/** The kernel and its modules, with our driver. A warning of the compiler (W=1) fails the build. */
export async function guestKernel(say: Say): Promise<GuestKernel> {
  const system = await toolchain(say);
  const [release = ''] = readdirSync(join(system, 'kernel/usr/lib/modules'));
  const sources = driverSources();
  const place = await artifact(
    {
      name: 'modules',
      inputs: [basename(system), ...BOOT_MODULES, ...sources.flatMap(path => [basename(path), readFileSync(path)])],
      build: async work => {
        for (const path of sources) copyFileSync(path, join(work, basename(path)));
        const own = `/kernel/usr/lib/modules/${release}`;
        const script = [
          'set -e',
          `make -s -C /lib/modules/${release}/build M=/mnt W=1 KCFLAGS=-Werror modules`,
          'mkdir out && cp virtio_wl.ko out/',
          ...BOOT_MODULES.map(name => `busybox unxz -c $(find ${own} -name ${name}.ko.xz) > out/${name}.ko`),
          'for file in *; do [ "$file" = out ] || rm -r "$file"; done; find . -maxdepth 1 -name ".*" -type f -delete; mv out/* . && rmdir out',
        ].join('\n');
        await run(insideSystem(system, work, ['sh', '-c', script]), { doing: 'the driver', timeoutMs: BUILD_TIMEOUT_MS, say });
      },
    },
    say,
  );
  return {
    release,
    image: join(system, `kernel/boot/vmlinuz-${release}`),
    busybox: join(system, 'usr/bin/busybox'),
    modules: [...BOOT_MODULES, 'virtio_wl'].map(name => join(place, `${name}.ko`)),
  };
}

/** A C program of one file for the guests, statically linked; it may include `virtwl_uapi.h`. Its path. */
export async function guestProgram(source: string, say: Say): Promise<string> {
  const system = await toolchain(say);
  const name = basename(source, '.c');
  const place = await artifact(
    {
      name: `program-${name}`,
      inputs: [basename(system), readFileSync(source), readFileSync(UAPI_HEADER)],
      build: async work => {
        copyFileSync(source, join(work, `${name}.c`));
        copyFileSync(UAPI_HEADER, join(work, basename(UAPI_HEADER)));
        const compile = ['gcc', '-Wall', '-Wextra', '-Werror', '-Wno-unused-result', '-O2', '-static', '-o', name, `${name}.c`];
        await run(insideSystem(system, work, compile), { doing: `the program ${name}`, timeoutMs: BUILD_TIMEOUT_MS, say });
        rmSync(join(work, `${name}.c`));
      },
    },
    say,
  );
  return join(place, name);
}

/** Runs sparse over the driver, in a folder of its own. Its complaints, none if it is clean. */
export async function sparse(work: string, say: Say): Promise<string> {
  const system = await toolchain(say);
  mkdirSync(work, { recursive: true });
  for (const path of driverSources()) copyFileSync(path, join(work, basename(path)));
  const [release = ''] = readdirSync(join(system, 'kernel/usr/lib/modules'));
  const script = `make -s -C /lib/modules/${release}/build M=/mnt C=2 CF=-D__CHECK_ENDIAN__ modules 2>&1 | grep -F /mnt/ || true`;
  return run(insideSystem(system, work, ['sh', '-c', script]), { doing: 'sparse', timeoutMs: BUILD_TIMEOUT_MS, say });
}
