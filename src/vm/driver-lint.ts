/**
 * What the kernel's own tools say of the guest driver: sparse, with the kernel's checks of byte order, and checkpatch.pl,
 * strictly. In: the driver's sources and the guests' tool chain, with checkpatch from the source package of the same
 * kernel; both are made where the cache has none. Out: complaints, of which there should be none.
 *
 * `src/setup/lint-driver.sh` runs this file.
 */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { artifact, type Say } from './cache.js';
import { run } from './command.js';
import { insideSystem, makeSystem, systemInputs, type SystemSpec } from './debian.js';
import { driverSources, kernelModules, toolchain } from './kernel.js';

/** Longest that one of the tools may take, in milliseconds; unpacking a kernel's source is the longest. */
const LINT_TIMEOUT_MS = 10 * 60_000;

/** What checkpatch says and is left as it is: in which file, by checkpatch's name for it, and why. */
const EXCEPTIONS: readonly { readonly file: string; readonly type: string; readonly why: string }[] = [
  {
    file: 'compat.h',
    type: 'LINUX_VERSION_CODE',
    why: 'code should be for the version to which it is merged, it says; this is merged nowhere and is built for several',
  },
  {
    file: 'compat.h',
    type: 'CONSTANT_COMPARISON',
    why: 'it takes LINUX_VERSION_CODE for a constant, in the order that such a check is always written in',
  },
];

/** Runs sparse over the driver. What it says, a line each. */
async function sparse(system: string, work: string, say: Say): Promise<string[]> {
  for (const path of driverSources()) copyFileSync(path, join(work, basename(path)));
  const { release } = kernelModules(system);
  // A failure is seen by the module that is not there.
  const script =
    `make -s -C /lib/modules/${release}/build M=/mnt C=2 CF=-D__CHECK_ENDIAN__ modules > said 2>&1; ` +
    `grep -F -e /mnt/ -e .c: -e .h: -e Error said || [ -e virtio_wl.ko ] || cat said`;
  const said = await run(insideSystem(system, work, ['sh', '-c', script]), {
    doing: 'sparse',
    timeoutMs: LINT_TIMEOUT_MS,
    say,
  });
  return said.split('\n').filter(line => line !== '');
}

/** The directory of checkpatch.pl and what it reads, of the kernel that the system has headers of. */
async function checkpatchOf(system: string, say: Say): Promise<string> {
  const [version = ''] = /^\d+\.\d+/.exec(kernelModules(system).release) ?? [];
  const source = `linux-source-${version}`;
  const spec: SystemSpec = { variant: 'extract', packages: [source] };
  const place = await artifact(
    {
      name: 'checkpatch',
      inputs: [basename(system), systemInputs(spec)],
      build: async work => {
        const root = join(work, 'root');
        mkdirSync(root);
        await makeSystem(spec, root, say);
        const files = ['checkpatch.pl', 'spelling.txt', 'const_structs.checkpatch'];
        const script = `tar -xJf root/usr/src/${source}.tar.xz --strip-components=2 ${files.map(file => `${source}/scripts/${file}`).join(' ')}`;
        await run(insideSystem(system, work, ['sh', '-c', script]), {
          doing: `checkpatch, out of ${source}`,
          timeoutMs: LINT_TIMEOUT_MS,
          say,
        });
        rmSync(root, { recursive: true });
      },
    },
    say,
  );
  return place;
}

/**
 * Runs checkpatch over the driver. What it says that is no exception, and exceptions of which it says nothing; so it is
 * never silent where it has not looked.
 */
async function checkpatch(system: string, work: string, say: Say): Promise<string[]> {
  const tool = await checkpatchOf(system, say);
  for (const file of ['checkpatch.pl', 'spelling.txt', 'const_structs.checkpatch'])
    copyFileSync(join(tool, file), join(work, file));
  const sources = driverSources().filter(path => /\.[ch]$/.test(path) && basename(path) !== 'virtwl_uapi.h');
  for (const path of sources) copyFileSync(path, join(work, basename(path)));
  const names = sources.map(path => basename(path)).join(' ');
  const script = `perl checkpatch.pl --no-tree --strict --terse --show-types --color=never -f ${names}; [ $? -le 1 ]`;
  const said = await run(insideSystem(system, work, ['sh', '-c', script]), {
    doing: 'checkpatch',
    timeoutMs: LINT_TIMEOUT_MS,
    say,
  });
  const lines = said.split('\n').filter(line => line !== '');
  const seen = new Set<string>();
  const complaints = lines.filter(line => {
    const [, file, type] = /^([^:]+):\d+: (?:ERROR|WARNING|CHECK):([A-Z0-9_]+): /.exec(line) ?? [];
    if (EXCEPTIONS.some(exception => exception.file === file && exception.type === type)) seen.add(`${file} ${type}`);
    return !seen.has(`${file} ${type}`) && !line.startsWith('total: ');
  });
  const stale = EXCEPTIONS.filter(({ file, type }) => !seen.has(`${file} ${type}`));
  return [
    ...complaints,
    ...stale.map(({ file, type }) => `${file}: ${type} is an exception, and checkpatch says nothing`),
  ];
}

/** All complaints, each with the tool that has it. Makes what is missing; throws where that cannot be made. */
export async function lintDriver(say: Say): Promise<string[]> {
  const system = await toolchain(say);
  const complaints: string[] = [];
  for (const [name, tool] of Object.entries({ sparse, checkpatch })) {
    const work = mkdtempSync(join(tmpdir(), `virtwl-${name}-`));
    try {
      complaints.push(...(await tool(system, work, say)).map(line => `${name}: ${line}`));
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
  return complaints;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const complaints = await lintDriver(line => process.stderr.write(`${line}\n`)).catch((error: Error) => {
    const advice =
      'What the cache does not have is made of Debian packages, once, from the network or the mirror in VIRTWL_MIRROR.';
    return [`could not look: ${error.message}`, advice];
  });
  for (const line of complaints) console.log(line);
  for (const { file, type, why } of EXCEPTIONS) console.log(`left as it is: ${file}: ${type}: ${why}`);
  console.log(`sparse and checkpatch: ${complaints.length} complaints`);
  process.exitCode = complaints.length > 0 ? 1 : 0;
}
