/** Sockets that a service manager gives, and what it is told: as systemd does both. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { givenSockets, MAX_GIVEN_SOCKETS, tellServiceManager } from '../../src/system/service-manager.js';

function directory(t: Test): string {
  const made = mkdtempSync(join(tmpdir(), 'virtwl-test-'));
  t.teardown(() => rmSync(made, { recursive: true }));
  return made;
}

const MODULE = JSON.stringify(new URL('../../src/system/service-manager.js', import.meta.url).href);
const SCRIPT = `
  const { givenSockets } = await import(${MODULE});
  const given = givenSockets();
  const left = Object.keys(process.env).filter(name => name.startsWith('LISTEN_'));
  console.log(JSON.stringify([given.map(({ name }) => name), left, givenSockets().length]));`;

/** What a process finds that is started with `sockets` from descriptor 3 on, and with that in its environment. */
function started(env: string, sockets: readonly number[]): unknown {
  const { stdout } = spawnSync(
    'sh',
    ['-c', `${env} exec "$0" "$@"`, process.execPath, '--input-type=module', '-e', SCRIPT],
    {
      stdio: ['ignore', 'pipe', 'inherit', ...sockets],
      encoding: 'utf8',
    },
  );
  return JSON.parse(stdout);
}

t.test('a process takes the sockets that it was given, once', t => {
  const at = directory(t);
  const sockets = ['a', 'b'].map(name => new OwnedFd(native.listenUnix(join(at, name), 1)));
  t.teardown(() => sockets.forEach(socket => socket.close()));
  const fds = sockets.map(({ fd }) => fd);
  t.same(started('LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=one:two', fds), [['one', 'two'], [], 0]);
  t.same(started('LISTEN_PID=$$ LISTEN_FDS=1', fds), [[''], [], 0], 'without a name');
  t.same(started('LISTEN_PID=1 LISTEN_FDS=2', fds), [[], [], 0], 'and none that are for another process');
  t.same(started('', fds), [[], [], 0]);
  t.end();
});

t.test('a number of sockets that cannot be is an error', t => {
  const env = (fds: string): NodeJS.ProcessEnv => ({ LISTEN_PID: String(process.pid), LISTEN_FDS: fds });
  for (const fds of ['x', '-1', '1.5', '', String(MAX_GIVEN_SOCKETS + 1)]) {
    t.throws(() => givenSockets(env(fds)), { message: /LISTEN_FDS is/ }, fds);
  }
  t.same(givenSockets(env('0')), []);
  t.end();
});

/** Takes one datagram at a path, and prints it. */
const RECEIVER = `
  use Socket;
  socket(my $s, PF_UNIX, SOCK_DGRAM, 0) or die;
  bind($s, pack_sockaddr_un($ARGV[0] =~ s/^@/\\0/r)) or die;
  $| = 1;
  print "ready\\n";
  recv($s, my $text, 1000, 0);
  print $text;`;

for (const [what, pathIn] of [
  ['at a path', (at: string) => join(at, 'notify')],
  ['by an abstract name', () => `@virtwl-test-${process.pid}`],
] as const) {
  t.test(`a service manager is told ${what}`, async t => {
    const path = pathIn(directory(t));
    const receiver = spawn('perl', ['-e', RECEIVER, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    t.teardown(() => receiver.kill());
    let said = '';
    receiver.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
    await once(receiver.stdout, 'data');
    const before = process.env.NOTIFY_SOCKET;
    t.teardown(() => {
      if (before === undefined) delete process.env.NOTIFY_SOCKET;
      else process.env.NOTIFY_SOCKET = before;
    });
    process.env.NOTIFY_SOCKET = path;
    t.ok(tellServiceManager('READY=1', 'STATUS=serving'));
    await once(receiver, 'close');
    t.equal(said, 'ready\nREADY=1\nSTATUS=serving');
    t.notOk(tellServiceManager('STOPPING=1'), 'one that is gone is no mistake');
    delete process.env.NOTIFY_SOCKET;
    t.notOk(tellServiceManager('READY=1'), 'nor that there is none');
  });
}
