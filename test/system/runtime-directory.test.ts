/** Directories for sockets: whose are left behind by the killed, and who removes them. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { native } from '../../src/system/native.js';
import { makeRuntimeDirectory } from '../../src/system/runtime-directory.js';

/** A directory of its own: a socket's path has room for 107 bytes, and tap's are long. */
const parent = mkdtempSync(join(tmpdir(), 'virtwl-test-'));
t.teardown(() => rmSync(parent, { recursive: true, force: true }));

/** The number of a process that has ended. */
const dead = spawnSync('true').pid;

function leave(name: string): string {
  const directory = join(parent, name);
  mkdirSync(directory);
  return directory;
}

t.test("a directory is its owner's alone, and has kind and process in its name", async t => {
  const directory = makeRuntimeDirectory('test', parent);
  t.equal(statSync(directory).mode & 0o777, 0o700);
  t.ok(directory.startsWith(join(parent, `virtwl-test-${process.pid}-`)));
  t.not(makeRuntimeDirectory('test', parent), directory, 'a process may have several');
  t.ok(existsSync(directory), 'and keeps them');
});

t.test('what a killed process left is removed', async t => {
  const directory = leave(`virtwl-test-${dead}-abcDEF`);
  native.close(native.listenUnix(join(directory, 'wayland-0'), 1));
  writeFileSync(join(directory, 'wayland-0.lock'), '');
  const empty = leave(`virtwl-test-${dead}-000000`);
  makeRuntimeDirectory('test', parent);
  t.notOk(existsSync(directory));
  t.notOk(existsSync(empty));
});

t.test('what a process still uses stays', async t => {
  const child = spawn('sleep', ['100']);
  t.teardown(() => child.kill());
  const served = leave(`virtwl-test-${dead}-abcDEF`);
  const listening = native.listenUnix(join(served, 'wayland-0'), 1);
  t.teardown(() => native.close(listening));
  const all = {
    "a running process's": leave(`virtwl-test-${child.pid}-abcDEF`),
    'one that is served, whatever number is in its name': served,
    'another kind': leave(`virtwl-other-${dead}-abcDEF`),
    'another name': leave(`virtwl-test-${dead}`),
    ...(process.getuid?.() === 0 && { "another user's": leave(`virtwl-test-${dead}-999999`) }),
  };
  const foreign = all["another user's"];
  if (foreign !== undefined) spawnSync('chown', ['12345', foreign]);
  makeRuntimeDirectory('test', parent);
  for (const [what, directory] of Object.entries(all)) t.ok(existsSync(directory), what);
});
