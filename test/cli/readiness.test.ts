/** That a service manager is told when what it started serves, also where that runs confined. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { NODE_FLAGS, VIRTWL } from '../../src/demo/loopback-stack.js';

function directory(t: Test): string {
  const made = mkdtempSync(join(tmpdir(), 'virtwl-test-'));
  t.teardown(() => rmSync(made, { recursive: true }));
  return made;
}

/** Takes one datagram at a path, and prints it. */
const MANAGER = `
  use Socket;
  socket(my $s, PF_UNIX, SOCK_DGRAM, 0) or die;
  bind($s, pack_sockaddr_un($ARGV[0])) or die;
  $| = 1;
  print "bound\\n";
  recv($s, my $text, 1000, 0);
  print $text;`;

async function manager(t: Test, path: string): Promise<{ told: Promise<string> }> {
  const child = spawn('perl', ['-e', MANAGER, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill());
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  await once(child.stdout, 'data');
  return { told: once(child, 'close').then(() => said.replace('bound\n', '')) };
}

function start(t: Test, args: readonly string[], notify: string): ChildProcess {
  const child = spawn(process.execPath, [...NODE_FLAGS, VIRTWL, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NOTIFY_SOCKET: notify },
  });
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    await once(child, 'exit');
  });
  return child;
}

for (const [what, args] of [
  ['a broker', (at: string) => ['broker', '--directory', join(at, 'broker')]],
  ['a host process', (at: string) => ['host', '--vm', 'a', '--probe', '--loopback', join(at, 'a')]],
  ['an allocator', (at: string) => ['allocator', '--vm', 'a', '--budget', '1M', '--socket', join(at, 'a')]],
  ['one that is not confined', (at: string) => ['broker', '--no-sandbox', '--directory', join(at, 'broker')]],
] as const) {
  t.test(`${what} tells that it serves`, async t => {
    const at = directory(t);
    const notify = join(at, 'notify');
    const { told } = await manager(t, notify);
    const child = start(t, args(at), notify);
    t.match(await told, /^READY=1/);
    // It said so to people before.
    const [line] = (await once(child.stdout!, 'data')) as [Buffer];
    t.match(String(line), /^ready: /);
  });
}

t.test('what cannot serve does not', async t => {
  const at = directory(t);
  const notify = join(at, 'notify');
  const { told } = await manager(t, notify);
  const child = start(t, ['broker', '--directory', join(at, 'missing', 'broker')], notify);
  const [status] = (await once(child, 'exit')) as [number];
  t.equal(status, 1);
  const nothing = await Promise.race([told, new Promise(resolve => setImmediate(resolve, 'nothing'))]);
  t.equal(nothing, 'nothing');
});
