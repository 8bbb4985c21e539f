/** Folders for sockets: whose are left behind by the killed, and who removes them. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { native } from '../src/native.js';
import { makeRuntimeFolder } from '../src/runtime-folder.js';

/** A folder of its own: a socket's path has room for 107 bytes, and tap's are long. */
const parent = mkdtempSync(join(tmpdir(), 'virtwl-test-'));
t.teardown(() => rmSync(parent, { recursive: true, force: true }));

/** The number of a process that has ended. */
const dead = spawnSync('true').pid;

function leave(name: string): string {
  const folder = join(parent, name);
  mkdirSync(folder);
  return folder;
}

t.test("a folder is its owner's alone, and has kind and process in its name", async t => {
  const folder = makeRuntimeFolder('test', parent);
  t.equal(statSync(folder).mode & 0o777, 0o700);
  t.ok(folder.startsWith(join(parent, `virtwl-test-${process.pid}-`)));
  t.not(makeRuntimeFolder('test', parent), folder, 'a process may have several');
  t.ok(existsSync(folder), 'and keeps them');
});

t.test('what a killed process left is removed', async t => {
  const folder = leave(`virtwl-test-${dead}-abcDEF`);
  native.close(native.listenUnix(join(folder, 'wayland-0'), 1));
  writeFileSync(join(folder, 'wayland-0.lock'), '');
  const empty = leave(`virtwl-test-${dead}-000000`);
  makeRuntimeFolder('test', parent);
  t.notOk(existsSync(folder));
  t.notOk(existsSync(empty));
});

t.test("what is somebody's stays", async t => {
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
  makeRuntimeFolder('test', parent);
  for (const [what, folder] of Object.entries(all)) t.ok(existsSync(folder), what);
});
