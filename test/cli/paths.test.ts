/** Options that take a path: where it cannot be used, the message says what was attempted, on what, and what to do. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';

t.setTimeout(120_000);

const directory = mkdtempSync(join(tmpdir(), 'virtwl-paths-'));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));
mkdirSync(join(directory, 'directory'), { mode: 0o700 });
writeFileSync(join(directory, 'file'), '');

const { VIRTWL_LOOPBACK: _loopback, VIRTWL_DEVICE: _device, ...env } = process.env;
/** Status and standard error; paths are in the directory of this test. */
function virtwl(...args: string[]): { status: number | null; stderr: string } {
  const main = join(process.cwd(), 'dist/bundle/cli/main.js');
  const { status, stderr } = spawnSync(process.execPath, [main, ...args], {
    ...{ cwd: directory, env, encoding: 'utf8', timeout: 30_000 },
  });
  return { status, stderr };
}

const NOT_THERE = /none\/\S+ \(ENOENT\): there is no directory \S+none: make it first/;

for (const [args, message] of [
  [['broker', '--directory', 'none/broker'], NOT_THERE],
  [['broker', '--directory', 'file/broker'], /file\/broker \(ENOTDIR\): something on the way to it is a file/],
  [['broker', '--directory', 'file'], /file is there, and no directory: choose another path/],
  [['host', '--vm=a', '--probe', '--loopback', 'none/a'], NOT_THERE],
  [['host', '--vm=a', '--probe', '--loopback', 'file'], /no directory: choose another path/],
  [['host', '--vm=a', '--probe', '--socket', 'none/a'], NOT_THERE],
  [['host', '--vm=a', '--probe', '--socket', 'directory'], /directory exists and is no socket: remove it, or choose/],
  [['allocator', '--vm=a', '--budget=1M', '--socket', 'none/a'], /cannot listen at \S+none\/a \(ENOENT\): there is no/],
  [['run', '--loopback', 'none', '--', 'true'], /no loopback directory none: start "virtwl host --loopback none"/],
  [['run', '--loopback', 'directory', '--', 'true'], /no such server; there is none in this directory; "virtwl host"/],
  [['run', '--device', 'none', '--', 'true'], /cannot open the virtio_wl device none: it does not exist; load/],
  [['run', '--device', 'file', '--', 'true'], /through file: it does not answer the ioctls .* no virtio_wl device/],
  [['run', '--device', 'directory', '--', 'true'], /directory: it is a directory \(EISDIR\); .*--loopback/],
  [
    ['compositor', '--loopback', 'directory', '--attach', 'none'],
    /no compositor answers at none: ENOENT.*is this its Wayland socket/,
  ],
  [['compositor', '--policy', 'none', '--', 'true'], /policies in \S+none cannot be read: there is no such directory/],
  [['frames', '--display', 'none'], /cannot connect to the compositor at none \(--display\): ENOENT.*does it run\?/],
  [['vm', 'boot', 'test', '--wl', 'none'], /no wl device at none .*: start "virtwl host --socket none" first/],
  [['demo', '--output', 'none/a.png'], /the picture cannot be written: there is no directory \S+none/],
] as const satisfies readonly (readonly [readonly string[], RegExp])[]) {
  t.test(`virtwl ${args.join(' ')}`, async t => {
    const { status, stderr } = virtwl(...args);
    t.equal(status, 1);
    t.match(stderr, message);
    t.notMatch(stderr, /^virtwl: E[A-Z]+:/m, 'the errno alone is no message');
  });
}

t.test('a host of a directory that would stay empty is a mistake, and the options that fill it are named', async t => {
  const { status, stderr } = virtwl('host', '--vm=a', '--loopback', 'empty');
  t.equal(status, 2);
  for (const option of ['--wayland', '--allocator', '--compositor', '--probe', '--socket NAME=PATH']) {
    t.ok(stderr.includes(option), option);
  }
});

t.test('a default server without a wl device is a mistake, and it is said what to give', t => {
  const args = ['host', '--vm=a', '--probe', '--loopback', 'loopback', '--default-server', 'probe'];
  t.match(virtwl(...args), {
    status: 2,
    stderr: /--default-server is for .* give its socket as well, by --socket PATH/,
  });
  t.equal(virtwl(...args, '--socket', 'other=/run/other').status, 2, 'that of another server is none');
  const device = [...args, '--socket', 'wl.sock', '--print', 'qemu'];
  t.equal(virtwl(...device).status, 0, 'with a device it is taken');
  t.end();
});
