import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import { native } from '../../src/system/native.js';
import { leavesNothing, thrownBy } from './held.js';
import { testNative } from '../test-native.js';

// It starts processes or threads, which a busy machine may take its time for. In milliseconds.
t.setTimeout(240_000);

const PAGE = native.pageSize;
const BUDGET = 64 * PAGE;

/** A file of `size` bytes of memory in the tmpfs, as the allocator makes it. Closed when there is no room. */
function allocate(tmpfs: number, size: number): number {
  const file = native.temporaryFile(tmpfs);
  try {
    testNative.truncate(file, size);
    native.reserve(file, size);
  } catch (error) {
    native.close(file);
    throw error;
  }
  return file;
}

t.test('a tmpfs holds its size, not a page more, and gets the room back', async t => {
  leavesNothing(t, () => {
    const tmpfs = native.createTmpfs(BUDGET);
    t.match(native.usage(tmpfs), { size: BUDGET, used: 0, inodes: 1 });
    const files = [allocate(tmpfs, BUDGET / 2), allocate(tmpfs, BUDGET / 4), allocate(tmpfs, BUDGET / 4)];
    t.match(native.usage(tmpfs), { size: BUDGET, used: BUDGET, inodes: 4 });
    t.match(
      thrownBy(t, () => allocate(tmpfs, PAGE)),
      { code: 'ENOSPC', syscall: 'fallocate' },
    );
    t.equal(native.usage(tmpfs).used, BUDGET, 'the refused one took nothing');
    for (const file of files) native.close(file);
    t.equal(native.usage(tmpfs).used, 0);
    native.close(allocate(tmpfs, BUDGET));
    native.close(tmpfs);
  });
});

t.test('its memory comes in large pages where the kernel has them, and counts as what the files are long', async t => {
  const MIB = 1 << 20;
  const LONG = 24 * MIB + PAGE;
  leavesNothing(t, () => {
    const tmpfs = native.createTmpfs(64 * MIB);
    const file = allocate(tmpfs, LONG);
    t.equal(native.usage(tmpfs).used, LONG, 'not a large page for the last small one');
    const mapping = native.map(file, 0, LONG, true);
    const bytes = new Uint8Array(mapping.buffer);
    const before = process.resourceUsage().minorPageFault;
    for (let at = 0; at < LONG; at += PAGE) bytes[at] = 1;
    const faults = process.resourceUsage().minorPageFault - before;
    if (hasLargePages()) t.ok(faults < LONG / PAGE / 4, `${faults} page faults for ${LONG / PAGE} pages`);
    else t.comment(`this kernel has none for files in memory: ${faults} page faults for ${LONG / PAGE} pages`);
    mapping.unmap();
    native.close(file);
    t.equal(native.usage(tmpfs).used, 0);
    native.close(tmpfs);
  });
});

/** Whether a tmpfs may have large pages: it says so itself (huge=), unless the machine forbids them everywhere. */
function hasLargePages(): boolean {
  try {
    return !readFileSync('/sys/kernel/mm/transparent_hugepage/shmem_enabled', 'utf8').includes('[deny]');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

t.test('memory counts as long as it is held: a descriptor, a message, a mapping', async t => {
  leavesNothing(t, () => {
    const tmpfs = native.createTmpfs(BUDGET);
    const file = allocate(tmpfs, BUDGET);
    const [a, b] = native.socketpair();
    native.send(a, new Uint8Array(1), 0, 1, [file]);
    native.close(file);
    t.equal(native.usage(tmpfs).used, BUDGET, 'it is in a message');
    const fds: number[] = [];
    native.recv(b, new Uint8Array(1), fds);
    const mapping = native.map(fds[0]!, 0, BUDGET, true);
    native.close(fds[0]!);
    t.equal(native.usage(tmpfs).used, BUDGET, 'it is mapped');
    new Uint8Array(mapping.buffer).fill(1);
    mapping.unmap();
    t.equal(native.usage(tmpfs).used, 0, 'nobody holds it');
    native.close(a);
    native.close(b);
    native.close(tmpfs);
  });
});

t.test('files outlive the descriptor of their tmpfs', async t => {
  const tmpfs = native.createTmpfs(BUDGET);
  const file = allocate(tmpfs, PAGE);
  native.close(tmpfs);
  const mapping = native.map(file, 0, PAGE, true);
  new Uint8Array(mapping.buffer)[0] = 9;
  t.equal(new Uint8Array(mapping.buffer)[0], 9);
  mapping.unmap();
  native.close(file);
});

t.test('files are memory to everybody: seekable, with a size, and seals that crosvm takes for a memfd', async t => {
  const tmpfs = native.createTmpfs(BUDGET);
  const file = allocate(tmpfs, PAGE);
  t.match(native.info(file), { type: 'regular', access: 'rw', size: PAGE, seekable: true });
  t.equal(native.seals(file), 1, 'F_SEAL_SEAL: no seal can be added');
  native.close(file);
  native.close(tmpfs);
});

t.test('there is a file for every page, and more', async t => {
  const tmpfs = native.createTmpfs(8 * PAGE);
  const files = Array.from({ length: 8 }, () => allocate(tmpfs, PAGE));
  files.push(native.temporaryFile(tmpfs));
  t.equal(native.usage(tmpfs).used, 8 * PAGE);
  for (const file of files) native.close(file);
  native.close(tmpfs);
});

t.test('two of them are apart', async t => {
  const one = native.createTmpfs(BUDGET);
  const other = native.createTmpfs(2 * BUDGET);
  const file = allocate(one, BUDGET);
  t.match(native.usage(other), { size: 2 * BUDGET, used: 0, inodes: 1 });
  for (const fd of [one, other, file]) native.close(fd);
});

t.test('sizes are whole pages', async t => {
  leavesNothing(t, () => {
    native.close(native.createTmpfs(PAGE));
    for (const size of [0, -PAGE, 1, PAGE - 1, PAGE + 1, NaN, Infinity, 2 ** 53]) {
      t.throws(() => native.createTmpfs(size), RangeError, `size ${size}`);
    }
    t.throws(() => native.createTmpfs('4096' as unknown as number), TypeError);
  });
});

/** The test of the bound, run by this program as another user; prints what it found. */
const AS_ANOTHER_USER = `
  const { native } = await import(process.env.NATIVE_MODULE);
  const { readdirSync, readFileSync } = await import('node:fs');
  const found = { uid: process.getuid() };
  const held = () => readdirSync('/proc/self/fd').length;
  const before = held();
  try {
    const size = 16 * native.pageSize;
    const tmpfs = native.createTmpfs(size);
    const files = [];
    for (let i = 0; i < 2; i++) {
      const file = native.temporaryFile(tmpfs);
      native.reserve(file, size / 2);
      files.push(file);
    }
    found.full = native.usage(tmpfs);
    const file = native.temporaryFile(tmpfs);
    try { native.reserve(file, native.pageSize); } catch (error) { found.onePageMore = error.code; }
    native.close(file);
    const mapping = native.map(files[0], 0, size / 2, true);
    for (const file of files) native.close(file);
    found.mapped = native.usage(tmpfs).used;
    mapping.unmap();
    found.after = native.usage(tmpfs).used;
    native.close(tmpfs);
  } catch (error) {
    found.error = error.message;
    found.code = error.code;
    found.syscall = error.syscall;
  }
  found.leaked = held() - before;
  found.children = readFileSync('/proc/self/task/' + process.pid + '/children', 'utf8').trim();
  console.log(JSON.stringify(found));
`;

/** A copy of what another user runs: the checkout may be in a directory that only its owner can enter. */
function readableByAll(): { NATIVE_MODULE: string; VIRTWL_NATIVE: string } {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-readable-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  // Without a package.json above it, a file named .js is no module as a matter of course.
  const description = join(directory, 'package.json');
  const [module, finder, addon] = ['native.js', 'addon.js', 'virtwl.node'].map(name => join(directory, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(description, '{ "type": "module" }');
  copyFileSync(new URL('../../src/system/native.js', import.meta.url), module);
  copyFileSync(new URL('../../src/system/addon.js', import.meta.url), finder);
  copyFileSync(process.env.VIRTWL_NATIVE ?? new URL('../../../build/Release/virtwl.node', import.meta.url), addon);
  for (const [path, mode] of [
    [directory, 0o755],
    [description, 0o644],
    [module, 0o644],
    [finder, 0o644],
    [addon, 0o755],
  ] as const)
    chmodSync(path, mode);
  return { NATIVE_MODULE: pathToFileURL(module).href, VIRTWL_NATIVE: addon };
}

function runAs(command: readonly string[]): { status: number | null; stderr: string; stdout: string } {
  const [name = '', ...args] = command;
  const full = [...args, process.execPath, '--input-type=module', '-e', AS_ANOTHER_USER];
  const env = { ...process.env, ...readableByAll() };
  return spawnSync(name, full, { encoding: 'utf8', env });
}

const NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
const isRoot = process.getuid!() === 0;

t.test('nobody gets one too, through user namespaces', { skip: !isRoot && 'needs root to become nobody' }, async t => {
  const { stdout, stderr } = runAs(NOBODY);
  t.equal(stderr, '');
  const size = 16 * native.pageSize;
  t.match(JSON.parse(stdout), {
    uid: 65534,
    full: { size, used: size },
    onePageMore: 'ENOSPC',
    mapped: size / 2,
    after: 0,
    leaked: 0,
    children: '',
  });
});

t.test('where neither is allowed, the error says what to change', { skip: !isRoot && 'needs root' }, async t => {
  // A user namespace of its own whose limit of further ones is 0, in which setpriv leaves the program no capabilities.
  const limit = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"';
  const { stdout, stderr } = runAs([
    'unshare',
    '--user',
    '--map-root-user',
    'sh',
    '-c',
    limit,
    'sh',
    'setpriv',
    '--bounding-set=-all',
    '--inh-caps=-all',
    '--no-new-privs',
  ]);
  t.equal(stderr, '');
  const found = JSON.parse(stdout) as { error: string; code: string; syscall: string; leaked: number };
  t.match(found, { code: /EPERM|ENOSPC/, syscall: 'unshare', leaked: 0, children: '' });
  t.match(found.error, /user\.max_user_namespaces/);
});
