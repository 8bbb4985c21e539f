/** Where `virtwl run --socket` puts its socket. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { makeRoom, socketPath } from '../../src/client/socket-place.js';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';

function directory(t: Test): string {
  const made = mkdtempSync(join(tmpdir(), 'virtwl-test-'));
  t.teardown(() => rmSync(made, { recursive: true }));
  return made;
}

t.test('a name is one in XDG_RUNTIME_DIR, and a path is a path', t => {
  t.equal(socketPath('wayland-0', '/run/user/1000'), '/run/user/1000/wayland-0');
  t.equal(socketPath('/srv/w', undefined), '/srv/w');
  t.equal(socketPath('./w', undefined), join(process.cwd(), 'w'));
  for (const none of [undefined, '', 'run']) {
    t.throws(() => socketPath('wayland-0', none), { message: /XDG_RUNTIME_DIR, which is not set/ });
  }
  t.end();
});

t.test('what a process that is gone has left is removed', t => {
  const path = join(directory(t), 'wayland-0');
  makeRoom(path);
  native.close(native.listenUnix(path, 1));
  t.ok(existsSync(path));
  makeRoom(path);
  t.notOk(existsSync(path));
  t.end();
});

t.test('a socket that is served, and a file that is none, stay', t => {
  const path = join(directory(t), 'wayland-0');
  const listening = new OwnedFd(native.listenUnix(path, 1));
  t.throws(() => makeRoom(path), { code: 'EADDRINUSE', message: /a process serves this socket already/ });
  listening.close();
  const file = join(directory(t), 'file');
  writeFileSync(file, 'precious');
  t.throws(() => makeRoom(file), { code: 'EADDRINUSE', message: /no socket/ });
  t.ok(existsSync(file));
  t.end();
});
