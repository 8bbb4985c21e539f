/**
 * libvirtwl (bindings/c): what is built and installed, and programs of it in C and Python, with a stand-in for the driver
 * (test/bindings/fake-wl0.c) and real servers: an allocator, a probe server, and some that do wrong.
 */
import { execFile, spawnSync } from 'node:child_process';
import { cpSync, lstatSync, mkdtempSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { startServers } from './c-library-servers.js';

// It compiles, and starts processes, which a busy machine may take its time for. In milliseconds.
t.setTimeout(240_000);

const root = fileURLToPath(new URL('../../../', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'virtwl-c-'));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));

/** Where it is installed. */
const prefix = join(directory, 'usr');
const libraries = join(prefix, 'lib');
const servers = join(directory, 'servers');

/** Runs a program that must work and be silent about it; what it prints is the result. */
function run(t: Test, command: string, args: readonly string[], env: Record<string, string> = {}): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  t.equal(status, 0, `${command} ${args.join(' ')}: ${String(error ?? stderr)}`);
  t.equal(stderr, '', `${command} complains of nothing`);
  return stdout;
}

/** The names that a library gives away. */
function names(t: Test, ...args: string[]): string[] {
  const lines = run(t, 'nm', [...args, '--defined-only', '--format=posix']).split('\n');
  return lines.flatMap(line => /^(\S+) [TDBRVW] /.exec(line)?.[1]?.replace(/@.*/, '') ?? []).sort();
}

/** The functions of the header. */
function declared(): string[] {
  const header = readFileSync(join(root, 'bindings/c/virtwl.h'), 'utf8').replace(/\/\*[^]*?\*\//g, '');
  return [...header.matchAll(/(virtwl_\w+)\(/g)].map(([, name = '']) => name).sort();
}

const standIn = join(directory, 'fake-wl0.so');
/** The environment of a program that finds the device and the library. */
const inGuest = {
  LD_PRELOAD: [process.env.LD_PRELOAD, standIn].filter(Boolean).join(' '),
  LD_LIBRARY_PATH: libraries,
  FAKE_WL0: '/dev/wl0',
  FAKE_WL0_SERVERS: servers,
};

t.test('both libraries are built and installed', async t => {
  run(t, 'cc', ['-Wall', '-Wextra', '-shared', '-fPIC', '-o', standIn, join(root, 'test/bindings/fake-wl0.c')]);
  const build = ['-s', '-C', join(root, 'bindings/c'), `O=${join(directory, 'objects')}`, 'CFLAGS=-O2 -Werror'];
  run(t, 'make', [...build, 'install', `PREFIX=${prefix}`]);
  t.equal(readlinkSync(join(libraries, 'libvirtwl.so')), 'libvirtwl.so.0');
  t.equal(readlinkSync(join(libraries, 'libvirtwl.so.0')), 'libvirtwl.so.0.1.0');
  t.match(run(t, 'readelf', ['-d', join(libraries, 'libvirtwl.so')]), /SONAME.*\[libvirtwl\.so\.0\]/);

  const image = join(directory, 'image');
  run(t, 'make', [...build, 'install', `DESTDIR=${image}`, 'PREFIX=/opt/v', 'LIBDIR=/opt/v/lib64']);
  for (const path of ['include/virtwl.h', 'lib64/libvirtwl.a', 'lib64/libvirtwl.so.0.1.0', 'lib64/libvirtwl.so'])
    t.ok(lstatSync(join(image, 'opt/v', path)), path);
  t.match(readFileSync(join(image, 'opt/v/lib64/pkgconfig/virtwl.pc'), 'utf8'), 'libdir=/opt/v/lib64\n');
});

t.test('its version is that of the package', async t => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  t.match(readFileSync(join(libraries, 'pkgconfig/virtwl.pc'), 'utf8'), `Version: ${version}\n`);
});

t.test('the functions of the header are all that it gives away', async t => {
  t.ok(declared().length > 5);
  t.same(names(t, '-D', join(libraries, 'libvirtwl.so')), declared(), 'by the shared library');
  t.same(names(t, '-g', join(libraries, 'libvirtwl.a')), declared(), 'by the other one');
});

t.test('the header suits C and C++, however strict', async t => {
  const header = join(prefix, 'include/virtwl.h');
  for (const [compiler, standard] of [
    ['cc', 'c99'],
    ['cc', 'gnu17'],
    ['c++', 'c++11'],
    ['c++', 'c++20'],
  ] as const) {
    const language = compiler === 'cc' ? 'c' : 'c++';
    const strict = ['-Wall', '-Wextra', '-pedantic', '-Werror', '-fsyntax-only', `-std=${standard}`];
    run(t, compiler, [...strict, '-x', language, header]);
  }
});

startServers(t, servers);

t.test('the library as a program sees it', async t => {
  const source = join(root, 'test/bindings/c-library.c');
  for (const [what, link] of [
    ['shared', [`-L${libraries}`, '-lvirtwl']],
    ['static', [join(libraries, 'libvirtwl.a')]],
  ] as const) {
    const program = join(directory, `c-library-${what}`);
    const warnings = ['-Wall', '-Wextra', '-Werror'];
    run(t, 'cc', [...warnings, '-pthread', '-O1', `-I${prefix}/include`, '-o', program, source, ...link]);
    await t.spawn(program, [], { env: { ...process.env, ...inGuest } }, what);
  }
});

/** Runs a program in what is a guest to it, while the servers go on here. */
function runInGuest(command: string, ...args: string[]): Promise<{ stdout: string; stderr: string; ok: boolean }> {
  return new Promise(resolve => {
    execFile(command, args, { env: { ...process.env, ...inGuest } }, (error, stdout, stderr) =>
      resolve({ stdout, stderr, ok: error === null }),
    );
  });
}

t.test('the example in C: memory of the host crosses, both ways', async t => {
  const example = join(directory, 'example');
  cpSync(join(root, 'docs/examples/c'), example, { recursive: true });
  run(t, 'make', ['-s', '-C', example, 'CFLAGS=-O2 -Wall -Wextra -Werror'], {
    PKG_CONFIG_PATH: join(libraries, 'pkgconfig'),
  });
  t.same(await runInGuest(join(example, 'probe')), {
    stdout: 'the host sees 65536 bytes of it\nwhat the host wrote shows here\n',
    stderr: '',
    ok: true,
  });
  t.match(await runInGuest(join(example, 'probe'), '/nowhere/wl0'), {
    stderr: 'cannot open the device: No such file or directory\n',
    ok: false,
  });
});

t.test('the example in Python', async t => {
  t.same(await runInGuest('python3', join(root, 'docs/examples/python/probe.py')), {
    stdout: 'the host saw it: True - and its answer shows here: True\n',
    stderr: '',
    ok: true,
  });
});
