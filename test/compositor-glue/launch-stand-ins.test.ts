/** Starting a compositor, with small programs that stand for one, good and bad. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { launchCompositor, type Compositor } from '../../compositor-glue/launch.js';
import { asOrdinaryUser } from '../../compositor-glue/ordinary-user.js';
import { eventually } from '../eventually.js';
import { Holdings } from '../holdings.js';

// Node.js keeps a descriptor from its first server on.
await new Promise<void>(resolve => {
  const server = createServer().listen(0, '127.0.0.1', () => server.close(() => resolve()));
});
const before = new Holdings();

/** A program: node with this script. */
function program(script: string): string[] {
  return [process.execPath, '-e', script];
}

const listening = (name: string): string =>
  `require('net').createServer(() => {}).listen(process.env.XDG_RUNTIME_DIR + '/${name}');`;

/** A runtime directory that the environment names, for the time of the test. */
function runtimeDir(t: Test, given = true): string {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-test-'));
  const was = process.env.XDG_RUNTIME_DIR;
  if (given) process.env.XDG_RUNTIME_DIR = directory;
  else delete process.env.XDG_RUNTIME_DIR;
  t.teardown(() => {
    if (was === undefined) delete process.env.XDG_RUNTIME_DIR;
    else process.env.XDG_RUNTIME_DIR = was;
    rmSync(directory, { recursive: true, force: true });
  });
  return directory;
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function launched(t: Test, script: string, env: Record<string, string> = {}): Promise<Compositor> {
  const compositor = await launchCompositor({ command: program(script), env, output: 'ignore' });
  t.teardown(() => compositor.stop());
  return compositor;
}

t.test("its socket is found, and nobody else's taken for it", async t => {
  const directory = runtimeDir(t);
  const others = createServer();
  await new Promise<void>(resolve => others.listen(join(directory, 'wayland-0'), resolve));
  t.teardown(() => others.close());
  // One that a dead compositor left behind: a socket on which nobody listens.
  const script = `
    const fs = require('fs'), path = process.env.XDG_RUNTIME_DIR + '/wayland-1';
    const left = require('net').createServer().listen(path + '-', () => {
      fs.linkSync(path + '-', path);
      left.close(() => { ${listening('wayland-2')} });
    });`;
  const compositor = await launched(t, script);
  t.equal(compositor.display, join(directory, 'wayland-2'));
  t.ok(existsSync(join(directory, 'wayland-1')));
  t.equal(compositor.runtimeDir, directory);
  const { pid } = compositor.process;
  await Promise.all([compositor.stop(), compositor.stop()]);
  t.notOk(lives(pid!));
  t.ok(existsSync(directory), 'a runtime directory that was given is not ours to remove');
  t.equal((await compositor.ended) > 0, true);
});

t.test('a runtime directory is made where there is none, and goes with it', async t => {
  runtimeDir(t, false);
  const compositor = await launched(t, `if (process.env.MARK !== 'set') process.exit(9); ${listening('wayland-0')}`, {
    MARK: 'set',
  });
  t.equal(compositor.display, join(compositor.runtimeDir, 'wayland-0'));
  t.ok(existsSync(compositor.runtimeDir));
  await compositor.stop();
  t.notOk(existsSync(compositor.runtimeDir));
});

t.test('what it started ends with it, also what does not want to', async t => {
  const directory = runtimeDir(t);
  const script = `
    const child = require('child_process').spawn(process.execPath, ['-e', 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    require('fs').writeFileSync(process.env.XDG_RUNTIME_DIR + '/child', String(child.pid));
    ${listening('wayland-0')}`;
  const compositor = await launched(t, script);
  const child = Number(readFileSync(join(directory, 'child'), 'utf8'));
  t.ok(lives(child));
  await compositor.stop();
  await eventually('the child is gone', () => !lives(child));
});

t.test('its end is told with its status', async t => {
  const directory = runtimeDir(t);
  const script = `${listening('wayland-0')}
    setInterval(() => require('fs').existsSync(process.env.XDG_RUNTIME_DIR + '/end') && process.exit(7), 20);`;
  const compositor = await launched(t, script);
  writeFileSync(join(directory, 'end'), '');
  t.equal(await compositor.ended, 7);
  await compositor.stop();
});

t.test('one that ends before it made a socket is an error', async t => {
  runtimeDir(t);
  await t.rejects(launchCompositor({ command: program('process.exit(3)'), output: 'ignore' }), {
    message: /node ended with status 3 before it made a socket/,
  });
});

t.test('one that makes none in time is ended, and an error', async t => {
  const directory = runtimeDir(t);
  const script = `require('fs').writeFileSync(process.env.XDG_RUNTIME_DIR + '/pid', String(process.pid)); setInterval(() => {}, 1000); ${listening('other-name')}`;
  await t.rejects(launchCompositor({ command: program(script), output: 'ignore', startTimeoutMs: 4000 }), {
    message: /made no Wayland socket in .* within 4 s/,
  });
  const pid = Number(readFileSync(join(directory, 'pid'), 'utf8'));
  t.ok(pid > 0);
  await eventually('it is gone', () => !lives(pid));
});

t.test('one that is not installed is an error that says what to do', async t => {
  runtimeDir(t);
  await t.rejects(launchCompositor({ command: ['no-such-compositor'] }), {
    code: 'ENOENT',
    message:
      /there is no program "no-such-compositor" here: install a wlroots compositor, for instance: apt-get install sway/,
  });
  await t.rejects(launchCompositor({ command: ['/no/such/compositor'] }), { code: 'ENOENT' });
  await t.rejects(launchCompositor({ command: ['/etc/passwd'] }), { code: 'ENOENT' });
  await t.rejects(launchCompositor({ command: [] }), { message: /no compositor given/ });
});

t.test('for root it runs as an ordinary user', async t => {
  const command = asOrdinaryUser(['sway', '-c', 'a file']);
  t.same(command.slice(-3), ['sway', '-c', 'a file']);
  if (process.getuid?.() !== 0) {
    t.equal(command.length, 3);
    return;
  }
  t.equal(command[0], 'bwrap');
  const directory = runtimeDir(t);
  const compositor = await launched(
    t,
    `require('fs').writeFileSync(process.env.XDG_RUNTIME_DIR + '/uid', String(process.getuid())); ${listening('wayland-0')}`,
  );
  t.equal(readFileSync(join(directory, 'uid'), 'utf8'), '1000');
  await compositor.stop();
});

t.test('nothing is left behind', async t => before.assertSame(t));
