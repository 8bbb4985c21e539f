/**
 * Parts die in the middle of their work. Each process that depended on one learns that it is gone, and ends or goes on;
 * nothing of what the dead one held is left anywhere. Real compositors, real clients, SIGKILL.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { LoopbackStack, VIRTWL } from '../../src/demo/loopback-stack.js';
import type { ReportJson } from '../../src/frames/report.js';
import { native } from '../../src/system/native.js';
import { startSway, type Sway } from '../compositors.js';
import { foot, quietEnvironment, run, runIn, type Application } from './applications.js';
import { descriptorsOf, nothingLeft, sameDescriptors } from './nothing-left.js';
import { isSame, Screen } from './screen.js';

/** How long anything may take to come about, in milliseconds. */
const TIMEOUT_MS = 30_000;
const LOOK_INTERVAL_MS = 50;
/** A terminal that never stops drawing. */
const BUSY = foot('sh', '-c', 'while :; do echo line; sleep 0.02; done');

t.setTimeout(280_000);

/** A sway that the test holds itself, the stack attached to it, and what the tests below need of both. */
async function attached(t: Test): Promise<{ sway: Sway; stack: LoopbackStack; env: Record<string, string> }> {
  const sway = await startSway(t);
  const stack = await LoopbackStack.start({ clients: ['office', 'lab'], compositor: { attach: sway.display } });
  t.teardown(() => stack.stop());
  return { sway, stack, env: quietEnvironment(t) };
}

/** A subcommand of virtwl in a VM. */
function virtwl(
  t: Test,
  stack: LoopbackStack,
  vm: string,
  args: readonly string[],
  env: Record<string, string>,
): Application {
  const own = { ...env, XDG_RUNTIME_DIR: stack.directory, VIRTWL_LOOPBACK: stack.loopback(vm) };
  return run(t, [process.execPath, VIRTWL, ...args], own);
}

/** What the parts of a stack hold after a first client: some connections are made with it, and stay. */
async function afterOneClient(t: Test, stack: LoopbackStack, env: Record<string, string>) {
  await virtwl(t, stack, 'lab', ['frames', '--no-capture', '--frames', '1', '--size', '64x64'], env).ended;
  await nothingLeft(t, stack);
  return descriptorsOf(stack);
}

async function clientsBecome(t: Test, stack: LoopbackStack, wanted: number): Promise<void> {
  let clients: unknown;
  for (const end = Date.now() + TIMEOUT_MS; clients !== wanted && Date.now() < end; await pause(LOOK_INTERVAL_MS)) {
    clients = (await stack.status('compositor')).clients;
  }
  t.equal(clients, wanted, `the glue serves ${wanted} clients`);
}

/** Waits until the broker holds the sockets of clients for whom there is no compositor. */
async function comeToWait(t: Test, stack: LoopbackStack, come: () => Application[]): Promise<Application[]> {
  const waiting = async (): Promise<number> => Number((await stack.status('broker')).waiting);
  const before = await waiting();
  const applications = come();
  for (const end = Date.now() + TIMEOUT_MS; (await waiting()) < before + applications.length && Date.now() < end;) {
    await pause(LOOK_INTERVAL_MS);
  }
  t.equal(await waiting(), before + applications.length, 'clients that come meanwhile wait in the broker');
  return applications;
}

/** Waits until an output changes from one look to the next, more than once. */
async function isMoving(screen: Screen): Promise<void> {
  for (let i = 0; i < 3; i++) {
    const last = await screen.capture();
    await screen.until('a change', picture => !isSame(picture, last));
  }
}

/** How an application ends, within the time there is. */
async function endOf(application: Application): Promise<number | string> {
  const late = new AbortController();
  const status = await Promise.race([
    application.ended,
    pause(TIMEOUT_MS, 'still running', { signal: late.signal }).catch(() => 'still running'),
  ]);
  late.abort();
  return status;
}

t.test('the compositor dies in mid-frame', async t => {
  const { sway, stack, env } = await attached(t);
  const before = await afterOneClient(t, stack, env);

  const frames = virtwl(t, stack, 'lab', ['frames', '--no-capture', '--frames', '1000000', '--size', '200x200'], env);
  const terminal = runIn(t, stack, 'office', BUSY, env);
  const animation = runIn(t, stack, 'lab', ['weston-simple-shm'], env);
  await clientsBecome(t, stack, 3);
  await isMoving(await Screen.open(t, sway.display));

  await sway.kill();
  t.equal(await endOf(frames), 1, 'a client that draws straight into shared memory ends');
  t.match(frames.output().toString(), /error +the compositor closed the connection/, 'and says why');
  t.not(await endOf(terminal), 'still running', 'an application ends');
  t.match(terminal.stderr, /run warning client=1: the compositor closed the connection/, 'and "virtwl run" says why');
  t.not(await endOf(animation), 'still running', 'another one as well');

  await nothingLeft(t, stack);
  await sameDescriptors(t, stack, before);

  const late = runIn(t, stack, 'office', BUSY, env);
  t.not(await endOf(late), 'still running', 'who comes afterwards is told at once');
  await nothingLeft(t, stack);
});

t.test('a compositor that the glue has started dies', async t => {
  const directory = LoopbackStack.makeDirectory();
  const config = join(directory, 'sway.config');
  writeFileSync(config, 'xwayland disable\n');
  const stack = await LoopbackStack.start({
    directory,
    compositor: { command: ['sway', '-c', config], headless: true },
  });
  t.teardown(() => stack.stop());
  const env = quietEnvironment(t);
  const terminal = runIn(t, stack, 'client', BUSY, env);
  await clientsBecome(t, stack, 1);
  const part = stack.parts.get('compositor')!;

  process.kill(descendantNamed(part.process.pid!, 'sway'), 'SIGKILL');
  t.equal(await part.ended, 137, '"virtwl compositor" ends with its status');
  t.match(part.lines.join('\n'), /sway ended with status 137/);
  t.not(await endOf(terminal), 'still running', 'its client ends');
  await nothingLeft(t, stack, false);

  const [waiting] = await comeToWait(t, stack, () => [runIn(t, stack, 'client', BUSY, env)]);
  await stack.startCompositor();
  await clientsBecome(t, stack, 1);
  await isMoving(await Screen.open(t, stack.display));
  t.equal(waiting!.process.exitCode, null, 'and are served by the next compositor');
});

t.test('the glue dies, and another one takes its place', async t => {
  const { sway, stack, env } = await attached(t);
  const screen = await Screen.open(t, sway.display);
  const empty = await screen.capture();
  const terminal = runIn(t, stack, 'office', BUSY, env);
  await clientsBecome(t, stack, 1);
  await isMoving(screen);

  await stack.kill('compositor', 'SIGKILL');
  t.not(await endOf(terminal), 'still running', 'its client ends');
  await screen.until('an empty output', picture => isSame(picture, empty));
  t.pass('the compositor shows it no more');
  await nothingLeft(t, stack, false);

  const come = (): Application[] => ['office', 'lab'].map(vm => runIn(t, stack, vm, BUSY, env));
  const waiting = await comeToWait(t, stack, come);
  await stack.startCompositor();
  await clientsBecome(t, stack, 2);
  await isMoving(screen);
  t.same(
    waiting.map(each => each.process.exitCode),
    [null, null],
    'and are served by the new one',
  );
});

t.test('clients die in the middle of a frame', async t => {
  const { sway, stack, env } = await attached(t);
  const screen = await Screen.open(t, sway.display);
  const empty = await screen.capture();
  const before = await afterOneClient(t, stack, env);

  const applications = [runIn(t, stack, 'office', ['weston-simple-shm'], env), runIn(t, stack, 'lab', BUSY, env)];
  const frames = virtwl(t, stack, 'lab', ['frames', '--no-capture', '--frames', '1000000', '--size', '200x200'], env);
  await clientsBecome(t, stack, 3);
  await isMoving(screen);

  // The application, its proxy, and a client without one.
  process.kill(descendantNamed(applications[0]!.process.pid!, 'weston-simple-s'), 'SIGKILL');
  t.equal(await endOf(applications[0]!), 137, '"virtwl run" ends with the status of its application');
  applications[1]!.process.kill('SIGKILL');
  frames.process.kill('SIGKILL');
  await screen.until('an empty output', picture => isSame(picture, empty));
  t.pass('nothing of them is shown');
  await nothingLeft(t, stack);
  await sameDescriptors(t, stack, before);
});

t.test("the host's processes die while frames run", async t => {
  const { sway, stack, env } = await attached(t);
  const screen = await Screen.open(t, sway.display);
  const empty = await screen.capture();
  const args = ['frames', '--frames', '150', '--size', '320x240', '--capture', sway.display, '--json'];
  const frames = virtwl(t, stack, 'lab', args, env);
  await screen.until('the first frame', picture => !isSame(picture, empty));

  await stack.kill('broker', 'SIGKILL');
  await stack.kill('lab-host', 'SIGKILL');
  await stack.kill('compositor-host', 'SIGKILL');
  const refused = runIn(t, stack, 'lab', BUSY, env);
  t.not(await endOf(refused), 'still running', 'a new client is refused');
  t.match(refused.stderr, /cannot connect to the server "wayland"/, 'with the reason');
  t.equal(frames.process.exitCode, null, 'the one that runs goes on');

  await stack.startBroker();
  await stack.startCompositorHost();
  await stack.startClientHost('lab');
  t.equal(await endOf(frames), 0, 'to its end');
  const report = JSON.parse(frames.output().toString()) as ReportJson;
  t.match(
    report,
    { pass: true, frames: { sent: 150, shown: 150, wrong: 0, missing: 0 } },
    'with every pixel of every frame',
  );

  runIn(t, stack, 'lab', BUSY, env);
  await clientsBecome(t, stack, 1);
  await isMoving(screen);
  t.pass('new clients are served when the processes are back');
});

t.test('what is not there is named', async t => {
  const { sway, stack, env } = await attached(t);
  const cases: readonly (readonly [what: string, args: readonly string[], status: number, message: RegExp])[] = [
    ['a compositor', ['compositor', '--', 'nosuch'], 1, /there is no program "nosuch" here: .*apt-get install/],
    [
      'a compositor that does not start',
      ['compositor', '--', 'false'],
      1,
      /false ended with status 1 before it made a socket/,
    ],
    ['a compositor to attach to', ['compositor', '--attach', '/nonexistent/wayland-1'], 1, /\/nonexistent\/wayland-1/],
    ['an application', ['run', '--', 'nosuch'], 127, /nosuch: there is no such program here/],
    [
      'a server',
      ['frames', '--server', 'nosuch', '--no-capture'],
      1,
      /server "nosuch".*the host offers this VM no such server/,
    ],
    [
      'a server to run on',
      ['run', '--server', 'nosuch', '--', 'touch', join(stack.directory, 'ran')],
      1,
      /^virtwl: cannot connect to the server "nosuch".*no such server/m,
    ],
    ['a server to run on, without an application', ['run', '--server', 'nosuch'], 1, /no such server/],
    ['the allocator, for a client VM', ['frames', '--server', 'allocator', '--no-capture'], 1, /no such server/],
    [
      'a loopback directory',
      ['run', '--loopback', '/nonexistent', '--', 'foot'],
      1,
      /no loopback directory \/nonexistent: start/,
    ],
    [
      'the compositor VM, where the directory is another',
      ['compositor', '--attach', sway.display],
      1,
      /^virtwl: no clients can come: .*"compositor".*in this directory are wayland, wayland-status; .*--compositor$/m,
    ],
  ];
  for (const [what, args, status, message] of cases) {
    const application = virtwl(t, stack, 'lab', args, env);
    t.equal(await endOf(application), status, `${what}: status ${status}`);
    t.match(application.stderr, message, `${what}: the reason`);
  }
  t.notOk(existsSync(join(stack.directory, 'ran')), 'the application was not started');
});

t.test('a server whose process is gone at the moment is reported, and may come back', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-test-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  native.close(native.listenUnix(join(directory, 'wayland'), 1));
  const env = { ...quietEnvironment(t), XDG_RUNTIME_DIR: directory };
  const early = run(t, [process.execPath, VIRTWL, 'run', '--loopback', directory, '--', 'sh', '-c', 'exit 7'], env);
  t.equal(await endOf(early), 7, 'the application runs all the same');
  t.match(
    early.stderr,
    /^[0-9:.]+ run warning: .*the host process is gone; applications cannot connect until that has changed$/m,
  );
});

/** A process below `pid`, by the name that the kernel has for it (15 bytes of it). */
function descendantNamed(pid: number, name: string): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  for (const child of children) {
    if (readFileSync(`/proc/${child}/comm`, 'utf8').trim() === name) return child;
    const found = descendantNamed(child, name);
    if (found !== 0) return found;
  }
  return 0;
}
