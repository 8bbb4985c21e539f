/**
 * Signals and ends pass between the process outside and the confined one: an orderly end is one for both, and when one
 * of them is killed the other does not stay.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { STATUS_PREFIX } from '../../src/observe/status.js';
import { VIRTWL } from '../../src/demo/loopback-stack.js';
import { eventually } from '../eventually.js';
import { Confined, lives } from './confined-process.js';
import { INSTALLED } from './installed.js';

/** Milliseconds, for a machine that is busy with other things. */
t.setTimeout(240_000);

function makeDirectory(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-ends-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

function startHost(t: Test, directory: string, ...more: string[]): Confined {
  const args = ['host', '--vm', 'work', '--loopback', join(directory, 'vm'), '--allocator=1M', '--probe', ...more];
  return new Confined(t, [VIRTWL, ...args]);
}

async function gone(pid: number): Promise<void> {
  await eventually(`process ${pid} to end`, () => !lives(pid));
}

for (const sandbox of INSTALLED) {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    t.test(`${sandbox}: ${signal} ends a host process in an orderly way`, async t => {
      const directory = makeDirectory(t);
      const host = startHost(t, directory, `--sandbox=${sandbox}`);
      const inner = await host.says('ready');
      t.same(readdirSync(join(directory, 'vm')).sort(), ['allocator', 'probe']);
      host.process.kill(signal);
      t.equal(await host.ended, 0);
      t.notOk(lives(inner));
      t.notOk(existsSync(join(directory, 'vm')), 'its sockets are gone, and the directory that it made');
      t.equal(host.stderr, '');
    });
  }

  t.test(`${sandbox}: a directory that was there before stays, and so does what others put into one`, async t => {
    const directory = makeDirectory(t);
    const first = startHost(t, directory, `--sandbox=${sandbox}`);
    await first.says('ready');
    writeFileSync(join(directory, 'vm', 'note'), '');
    first.process.kill();
    t.equal(await first.ended, 0);
    t.same(readdirSync(join(directory, 'vm')), ['note']);
  });

  t.test(`${sandbox}: Ctrl-C, which goes to the whole process group, ends it no less orderly`, async t => {
    const directory = makeDirectory(t);
    const host = startHost(t, directory, `--sandbox=${sandbox}`);
    const inner = await host.says('ready');
    process.kill(-host.outer, 'SIGINT');
    t.equal(await host.ended, 0);
    t.notOk(lives(inner));
    t.notOk(existsSync(join(directory, 'vm')));
  });

  t.test(`${sandbox}: a signal that comes before it is set up ends it, too`, async t => {
    // At any moment: while the launcher sets up, while Node.js starts, while our code does.
    for (const moment of [0, 10, 50, 100, 200]) {
      const directory = makeDirectory(t);
      const host = startHost(t, directory, `--sandbox=${sandbox}`);
      await eventually('the launcher', () => host.launcher !== undefined);
      const { launcher } = host;
      await new Promise(resolve => setTimeout(resolve, moment));
      host.process.kill('SIGTERM');
      const end = await host.ended;
      t.ok(end === 0 || end === 128 + 15, `${moment} ms later: ended by ${end}`);
      await gone(launcher!);
      t.notOk(existsSync(join(directory, 'vm')), 'and left nothing');
    }
  });

  t.test(`${sandbox}: a process that does not come to its end is killed`, async t => {
    const directory = makeDirectory(t);
    const host = startHost(t, directory, `--sandbox=${sandbox}`);
    const inner = await host.says('ready');
    process.kill(inner, 'SIGSTOP');
    host.process.kill('SIGTERM');
    t.equal(await host.ended, 128 + 15);
    t.notOk(lives(inner));
  });

  t.test(`${sandbox}: SIGUSR2 is answered from inside, also when it comes early`, async t => {
    const host = startHost(t, makeDirectory(t), `--sandbox=${sandbox}`);
    await eventually('the launcher', () => host.launcher !== undefined);
    host.process.kill('SIGUSR2');
    await host.says(STATUS_PREFIX);
    t.match(JSON.parse(host.stderr.split(STATUS_PREFIX)[1]!), { vm: 'work', allocator: { used: 0, pieces: 0 } });
  });

  t.test(`${sandbox}: when the process outside is killed, the confined one goes with it`, async t => {
    const directory = makeDirectory(t);
    const host = startHost(t, directory, `--sandbox=${sandbox}`);
    const inner = await host.says('ready');
    const launcher = host.launcher!;
    host.process.kill('SIGKILL');
    await gone(inner);
    await gone(launcher);
    const next = startHost(t, directory, `--sandbox=${sandbox}`);
    await next.says('ready');
    t.same(
      readdirSync(join(directory, 'vm')).sort(),
      ['allocator', 'probe'],
      'and the next one takes its sockets over',
    );
  });

  t.test(`${sandbox}: when the confined process is killed, the one outside ends and says so`, async t => {
    const directory = makeDirectory(t);
    const host = startHost(t, directory, `--sandbox=${sandbox}`);
    const inner = await host.says('ready');
    process.kill(inner, 'SIGKILL');
    t.equal(await host.ended, 128 + 9);
    t.match(host.stderr, /sandbox error: the host process of VM "work" was ended by SIGKILL$/m);
  });

  t.test(`${sandbox}: when the program that confines is killed, neither stays`, async t => {
    const host = startHost(t, makeDirectory(t), `--sandbox=${sandbox}`);
    const inner = await host.says('ready');
    process.kill(host.launcher!, 'SIGKILL');
    await gone(inner);
    t.not(await host.ended, 0);
    t.match(host.stderr, /(virtwl|sandbox error): .*host process of VM "work"/);
  });

  t.test(`${sandbox}: a mistake inside ends with its own status and words`, async t => {
    const directory = makeDirectory(t);
    const host = startHost(t, directory, `--sandbox=${sandbox}`, '--socket', 'allocator=/x');
    t.equal(await host.ended, 1);
    t.match(host.stderr, /^virtwl: .*"allocator" is taken/m);
    t.notMatch(host.stderr, /cannot confine/);
    t.notOk(existsSync(join(directory, 'vm')));
  });
}

t.test('an allocator alone takes its socket away', async t => {
  const path = join(makeDirectory(t), 'socket');
  const allocator = new Confined(t, [VIRTWL, 'allocator', '--vm', 'work', '--socket', path, '--budget', '1M']);
  const inner = await allocator.says('ready');
  t.ok(existsSync(path));
  const second = new Confined(t, [VIRTWL, 'allocator', '--vm', 'work', '--socket', path, '--budget', '1M']);
  t.equal(await second.ended, 1);
  t.match(second.stderr, /another allocator listens on/);
  t.ok(existsSync(path), 'a second one leaves it alone');
  process.kill(inner, 'SIGKILL');
  t.equal(await allocator.ended, 128 + 9);
  t.notOk(existsSync(path), 'also when the confined process was killed');
});

t.test('a broker that comes back is found by host processes that stayed', async t => {
  const parent = makeDirectory(t);
  const directory = join(parent, 'broker');
  const first = new Confined(t, [VIRTWL, 'broker', '--directory', directory]);
  await first.says('ready');
  const host = startHost(t, parent, '--wayland', '--broker', directory);
  await host.says('registered with the broker');
  first.process.kill();
  t.equal(await first.ended, 0);
  await host.says('is gone');
  const second = new Confined(t, [VIRTWL, 'broker', '--directory', directory]);
  await second.says('server "wayland" of VM "work" registered');
  rmSync(directory, { recursive: true });
  second.process.kill('SIGKILL');
  await second.ended;
  const third = new Confined(t, [VIRTWL, 'broker', '--directory', directory]);
  await third.says('server "wayland" of VM "work" registered');
  t.pass('by its name: the directory may be another');
});

t.test('a host process may be there before its broker', async t => {
  const parent = makeDirectory(t);
  const directory = join(parent, 'broker');
  const host = startHost(t, parent, '--wayland', '--broker', directory);
  await host.says('ready');
  const broker = new Confined(t, [VIRTWL, 'broker', '--directory', directory]);
  await broker.says('server "wayland" of VM "work" registered');
});

t.test('a host process with nothing but links to servers of others stays', async t => {
  const directory = makeDirectory(t);
  const args = ['host', '--vm', 'work', '--loopback', join(directory, 'vm'), '--socket', 'display=/run/wayland-0'];
  for (const more of [[], ['--no-sandbox']]) {
    const host = new Confined(t, [VIRTWL, ...args, ...more]);
    await host.says('ready');
    t.same(readdirSync(join(directory, 'vm')), ['display']);
    host.process.kill();
    t.equal(await host.ended, 0);
    t.notOk(existsSync(join(directory, 'vm')));
  }
});
