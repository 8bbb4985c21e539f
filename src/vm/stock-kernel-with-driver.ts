/**
 * Debian's ordinary kernel with our driver beside its own, for guests that have both devices. In: the kernel of
 * `stock-kernel.ts`, its headers from the mirror, and the driver's sources. Out: a directory in the cache with the module.
 *
 * The environment has the same words as for the other kernels.
 */
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { artifact, type Say } from './cache.js';
import { run } from './command.js';
import { insideSystem, makeSystem, SUITE, systemInputs, type SystemSpec } from './debian.js';
import { BUILD_TIMEOUT_MS, driverSources, kernelStart, type GuestKernel } from './kernel.js';
import { stockKernel } from './stock-kernel.js';

/** The headers of that kernel and what they need, unpacked: installing them would bring a second compiler. */
function headersSpec(release: string, suite: string): SystemSpec {
  const headers = `linux-headers-${release}`;
  return {
    variant: 'extract',
    suite: suite === SUITE ? undefined : suite,
    packages: [],
    hooks: [
      [
        'set -e; export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"; mkdir "$1/headers"; cd "$1/headers"',
        `needed=$(apt-cache depends ${headers} | grep -oE "linux-(headers|kbuild)-[0-9][^ ]*" | sort -u)`,
        `apt-get download -qq ${headers} $needed`,
        'for package in *.deb; do dpkg-deb -x $package .; done',
        'rm *.deb',
      ].join('\n'),
    ],
  };
}

/** The kernel and its modules; ours, the last, is built with the tools of the guests' release. */
export async function stockKernelWithDriver(
  say: Say,
  suite: string = process.env.VIRTWL_GUEST_SUITE ?? SUITE,
): Promise<GuestKernel> {
  const { tools, own } = await kernelStart(say, true);
  if (own !== undefined) return own;
  const stock = await stockKernel(say, suite);
  const spec = headersSpec(stock.release, suite);
  const sources = driverSources();
  const place = await artifact(
    {
      name: suite === SUITE ? 'stock-driver' : `stock-driver-${suite}`,
      inputs: [systemInputs(spec), basename(tools), ...sources.flatMap(path => [basename(path), readFileSync(path)])],
      build: async work => {
        const system = join(work, 'system');
        mkdirSync(system);
        await makeSystem(spec, system, say);
        for (const path of sources) copyFileSync(path, join(work, basename(path)));
        const headers = '/mnt/system/headers/usr/src';
        const script = [
          'set -e',
          // They name each other by where they would be installed.
          `find ${headers} -maxdepth 2 -name Makefile -exec sed -i 's|/usr/src/|${headers}/|' {} +`,
          `make -s -C ${headers}/linux-headers-${stock.release} M=/mnt W=1 KCFLAGS=-Werror modules`,
        ].join('\n');
        await run(insideSystem(tools, work, ['sh', '-c', script]), {
          doing: 'the driver for the ordinary kernel',
          timeoutMs: BUILD_TIMEOUT_MS,
          say,
        });
        for (const name of readdirSync(work))
          if (name !== 'virtio_wl.ko') rmSync(join(work, name), { recursive: true });
      },
    },
    say,
  );
  return { ...stock, modules: [...stock.modules, join(place, 'virtio_wl.ko')] };
}
