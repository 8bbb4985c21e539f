/**
 * How long `virtwl run` stays, and what its application gets: it serves every client that is connected, whether that is
 * the process that it started or not, until the last one has left or a signal comes.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { LoopbackStack } from '../../src/demo/loopback-stack.js';
import { Display } from '../../src/wayland-client/display.js';
import { VirtualKeyboard } from '../../src/wayland-client/virtual-keyboard.js';
import { startSway } from '../compositors.js';
import { eventually } from '../eventually.js';
import { foot, quietEnvironment, run, runIn, type Application } from './applications.js';
import { nothingLeft } from './nothing-left.js';

/** Many times what the pipes on the way hold. */
const LARGE_BYTES = 8 << 20;

t.setTimeout(240_000);

interface Desktop {
  readonly stack: LoopbackStack;
  readonly directory: string;
  /** Runs a program in the client VM. */
  inVm(...command: string[]): Application;
  /** Runs a program at the compositor. */
  directly(...command: string[]): Application;
  /** Titles of the windows on the compositor. */
  windows(): Promise<string[]>;
}

interface Node {
  readonly name: string | null;
  readonly pid?: number;
  readonly nodes: readonly Node[];
  readonly floating_nodes: readonly Node[];
}

function windowsBelow(node: Node): string[] {
  const below = [...node.nodes, ...node.floating_nodes].flatMap(windowsBelow);
  return node.pid === undefined ? below : [node.name ?? '', ...below];
}

async function desktop(t: Test): Promise<Desktop> {
  const sway = await startSway(t);
  const stack = await LoopbackStack.start({ compositor: { attach: sway.display } });
  t.teardown(() => stack.stop());
  const display = await Display.connect(sway.display);
  t.teardown(() => display.close());
  // Gives the seat a keyboard, without which nothing has the focus.
  new VirtualKeyboard(display);
  await display.roundtrip();
  const env = quietEnvironment(t);
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-run-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return {
    stack,
    directory,
    inVm: (...command) => runIn(t, stack, 'client', command, env),
    directly: (...command) =>
      run(t, command, { ...env, XDG_RUNTIME_DIR: sway.runtimeDir, WAYLAND_DISPLAY: sway.display }),
    windows: async () => windowsBelow((await sway.message('-t', 'get_tree')) as Node),
  };
}

/** Whether it has ended by itself so far. */
function watch(application: Application): { ended: boolean } {
  const state = { ended: false };
  void application.ended.then(() => (state.ended = true));
  return state;
}

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 30_000; !(await condition());) {
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}

t.test('a client that is connected is served to the end', async t => {
  const { stack, directory, inVm, directly, windows } = await desktop(t);

  await t.test('a program that goes into the background: wl-copy', async t => {
    const copy = inVm('wl-copy', 'hello');
    const state = watch(copy);
    await eventually('that the program has left', () => copy.stderr.includes('still connected'));
    t.match(
      copy.stderr,
      /^[0-9:.]+ run info: wl-copy has ended with status 0; 1 client is still connected: virtwl run stays until/m,
      'it is said who is still there',
    );
    const paste = directly('wl-paste', '--no-newline');
    t.equal(await paste.ended, 0);
    t.equal(paste.output().toString(), 'hello', 'what was copied can be pasted');
    t.notOk(state.ended, 'virtwl run is still there');
    const next = directly('wl-copy', '--foreground', 'other');
    t.equal(await copy.ended, 0, 'it ends when another program has copied and the last client is gone');
    t.equal(copy.stderr.match(/still connected/g)?.length, 1, 'it was said once');
    await next.stop();
  });

  await t.test('a window whose launcher ends before it has connected', async t => {
    const marker = join(directory, 'marker');
    const launcher = inVm(
      'sh',
      '-c',
      `(sleep 1; exec "$@") & exit 3`,
      'sh',
      ...foot('sh', '-c', `touch ${marker}; cat`),
    );
    const state = watch(launcher);
    await eventually('the shell in the terminal', () => existsSync(marker));
    await until('the window', async () => (await windows()).length === 1);
    t.notOk(state.ended, 'virtwl run is still there');
    launcher.process.kill('SIGTERM');
    t.equal(await launcher.ended, 3, 'one signal ends it, with the status of the launcher');
    await until('that the window is gone', async () => (await windows()).length === 0);
  });

  for (const signal of ['SIGINT', 'SIGHUP'] as const) {
    await t.test(`${signal} ends it as well`, async t => {
      const launcher = inVm('sh', '-c', '"$@" & exit 0', 'sh', ...foot('cat'));
      await until('the window', async () => (await windows()).length === 1);
      launcher.process.kill(signal);
      t.equal(await launcher.ended, 0);
      await until('that the window is gone', async () => (await windows()).length === 0);
    });
  }

  await t.test('a transfer that outlives its program', async t => {
    const [data, file] = [join(directory, 'data'), join(directory, 'pasted')];
    writeFileSync(data, randomBytes(LARGE_BYTES));
    const type = 'application/octet-stream';
    const source = directly('sh', '-c', `wl-copy --foreground --type ${type} < ${data}`);
    const script = fileURLToPath(new URL('paste-and-leave.js', import.meta.url));
    const paste = inVm(process.execPath, script, type, file);
    t.equal(await paste.ended, 0);
    t.equal(statSync(file).size, LARGE_BYTES, 'all of it is there');
    t.ok(readFileSync(file).equals(readFileSync(data)), 'as it was');
    await source.stop();
  });

  await nothingLeft(t, stack);
});

t.test('where nobody is to be expected it ends with its program', async t => {
  const { stack, inVm } = await desktop(t);

  await t.test('one that never connected', async t => {
    const program = inVm('sh', '-c', 'exit 5');
    t.equal(await program.ended, 5);
    t.equal(program.stderr, '', 'without a word');
  });

  await t.test('one that a signal ended', async t => {
    const program = inVm('sh', '-c', 'kill -USR1 $$');
    t.equal(await program.ended, 128 + 10);
  });

  await t.test('a window, which a signal ends', async t => {
    const program = inVm('sh', '-c', 'trap "exit 9" TERM; "$@" & echo up; wait', 'sh', ...foot('cat'));
    await eventually('its shell', () => program.output().includes('up'));
    program.process.kill('SIGTERM');
    t.equal(await program.ended, 9, 'with the status that the program had after the signal');
  });

  await t.test('one that goes on after SIGTERM', async t => {
    const program = inVm('sh', '-c', 'trap "" TERM; echo up; while :; do sleep 1; done');
    await eventually('its shell', () => program.output().includes('up'));
    program.process.kill('SIGTERM');
    t.equal(await program.ended, 128 + 15, 'is left behind after a while');
    t.match(program.stderr, /run warning: sh goes on after SIGTERM: its connections are closed/);
    await program.stop();
  });

  await t.test('one that leaves a process which never connects', async t => {
    const program = inVm('sh', '-c', 'sleep 1000 > /dev/null 2>&1 & exit 6');
    t.equal(await program.ended, 6, 'is not waited for for ever');
    await program.stop();
  });

  await nothingLeft(t, stack);
});

t.test('the environment of an application', async t => {
  const { stack } = await desktop(t);
  const env = {
    ...quietEnvironment(t),
    XDG_RUNTIME_DIR: stack.directory,
    WAYLAND_SOCKET: '77',
    WAYLAND_DISPLAY: 'wayland-of-another',
    DISPLAY: ':5',
    GDK_BACKEND: 'x11',
    QT_QPA_PLATFORM: 'xcb',
  };
  const program = stack.virtwl('client', ['run', '--', 'env', '-0'], env);
  let output = '';
  program.stdout!.setEncoding('utf8').on('data', (text: string) => (output += text));
  await new Promise(resolve => program.once('close', resolve));
  const got = new Map(output.split('\0').map(line => line.split(/=(.*)/s).slice(0, 2) as [string, string]));
  t.notOk(got.has('WAYLAND_SOCKET'), 'a connection that we were given does not come before the socket');
  t.match(got.get('WAYLAND_DISPLAY'), /^\/.*\/wayland-0$/);
  t.match(Object.fromEntries(got), { DISPLAY: ':5', GDK_BACKEND: 'x11', QT_QPA_PLATFORM: 'xcb' }, 'the rest stays');
});
