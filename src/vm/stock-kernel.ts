/**
 * Debian's ordinary kernel, for guests whose transport is the gpu device: its own virtio_gpu driver, which the cloud flavour
 * lacks, and nothing of ours. In: the Debian release. Out: a directory in the cache with the kernel and the few of its
 * modules that a guest needs.
 *
 * `VIRTWL_GUEST_SUITE` names the release that the kernel is taken from, and `VIRTWL_GUEST_KERNEL` a directory with one that
 * was built by hand (`bzImage`, with what a guest needs and virtio_gpu built in).
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { artifact, type Say } from './cache.js';
import { run } from './command.js';
import { insideSystem, makeSystem, SUITE, systemInputs, type SystemSpec } from './debian.js';
import { BOOT_MODULES, kernelImage, kernelModules, kernelStart, type GuestKernel } from './kernel.js';

/** The package that depends on the release's newest kernel. */
const PACKAGE = 'linux-image-amd64';
/** virtio_gpu and what it needs, in the order of loading; those that the kernel has built in are left out. */
const GPU_MODULES = [
  ...['drm_panel_orientation_quirks', 'drm', 'drm_kms_helper', 'drm_shmem_helper', 'drm_client_lib'],
  ...['virtio_dma_buf', 'virtio_gpu'],
];
const MODULES = [...BOOT_MODULES, ...GPU_MODULES];
/** Longest that unpacking the modules may take, in milliseconds: seconds, on a slow and busy machine a minute. */
const UNPACK_TIMEOUT_MS = 10 * 60_000;

/** A file's name, with underscores or hyphens as the kernel has them, compressed or not. */
const patterns = (name: string): string[] => [
  `*/${name.replaceAll('_', '?')}.ko`,
  `*/${name.replaceAll('_', '?')}.ko.xz`,
];

/** Of a package of some 100 MB only what is needed is unpacked. Newer releases have modules in a package of their own. */
function kernelSpec(suite: string): SystemSpec {
  const wanted = ['./boot/vmlinuz-*', './usr/lib/modules/*/vmlinuz', ...MODULES.flatMap(patterns)]
    .map(pattern => `"${pattern}"`)
    .join(' ');
  return {
    variant: 'extract',
    suite: suite === SUITE ? undefined : suite,
    packages: [],
    hooks: [
      [
        'set -e; export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"; mkdir "$1/kernel"; cd "$1/kernel"',
        `image=$(apt-cache depends ${PACKAGE} | grep -oE "linux-image-[0-9][^ ]*" | head -n 1)`,
        'apt-get download -qq $image $(apt-cache depends $image | grep -oE "linux-(binary|modules)-[^ ]+" | sort -u)',
        'for package in *.deb; do',
        '  dpkg-deb --fsys-tarfile $package > all.tar',
        // tar fails for a pattern that nothing has, and no package has all of them.
        `  tar -xf all.tar --wildcards ${wanted} 2> /dev/null || true; rm all.tar`,
        'done',
        'rm *.deb',
      ].join('\n'),
    ],
  };
}

/** The kernel and its modules, none of them ours. */
export async function stockKernel(
  say: Say,
  suite: string = process.env.VIRTWL_GUEST_SUITE ?? SUITE,
): Promise<GuestKernel> {
  const { tools, busybox, own } = await kernelStart(say, false);
  if (own !== undefined) return own;
  const spec = kernelSpec(suite);
  const place = await artifact(
    {
      name: `stock-kernel-${suite}`,
      inputs: [systemInputs(spec)],
      build: async work => {
        const system = join(work, 'system');
        mkdirSync(system);
        await makeSystem(spec, system, say);
        const { release, directory } = kernelModules(system);
        const files = readdirSync(join(system, directory), { recursive: true, encoding: 'utf8' });
        for (const path of files.filter(each => /\.ko(\.xz)?$/.test(each)))
          copyFileSync(join(system, directory, path), join(work, basename(path).replaceAll('-', '_')));
        if (files.some(path => path.endsWith('.xz'))) {
          await run(insideSystem(tools, work, ['sh', '-c', 'xz -d *.ko.xz']), {
            doing: 'the modules',
            timeoutMs: UNPACK_TIMEOUT_MS,
          });
        }
        copyFileSync(kernelImage(system), join(work, 'vmlinuz'));
        writeFileSync(join(work, 'release'), release);
        rmSync(system, { recursive: true });
      },
    },
    say,
  );
  const modules = MODULES.map(name => join(place, `${name}.ko`)).filter(path => existsSync(path));
  if (!modules.some(path => basename(path) === 'virtio_gpu.ko'))
    throw new Error(`the kernel in ${place} has no virtio_gpu: remove that directory to have it made anew`);
  return { release: readFileSync(join(place, 'release'), 'utf8'), image: join(place, 'vmlinuz'), busybox, modules };
}
