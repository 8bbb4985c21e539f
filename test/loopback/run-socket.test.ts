/** `virtwl run` as the service of a VM: a socket at a place that everybody knows, many programs on it, a service manager. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { LoopbackStack, VIRTWL } from '../../src/demo/loopback-stack.js';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { Display } from '../../src/wayland-client/display.js';
import { startSway } from '../compositors.js';

t.setTimeout(240_000);

async function stackOf(t: Test): Promise<LoopbackStack> {
  const sway = await startSway(t);
  const stack = await LoopbackStack.start({ compositor: { attach: sway.display } });
  t.teardown(() => stack.stop());
  return stack;
}

interface Service {
  readonly process: ChildProcess;
  /** What it has said on standard error. */
  errors(): string;
  /** Resolves with WAYLAND_DISPLAY, or undefined where it has ended before. */
  readonly display: Promise<string | undefined>;
  readonly ended: Promise<number | null>;
}

/** A service of the client VM; `given`: a listening socket that it gets as descriptor 3. */
function service(t: Test, stack: LoopbackStack, options: readonly string[], given?: number): Service {
  const env = { ...process.env, XDG_RUNTIME_DIR: stack.directory, VIRTWL_LOOPBACK: stack.loopback('client') };
  const says = given === undefined ? '' : 'LISTEN_PID=$$ LISTEN_FDS=1';
  const child = spawn('sh', ['-c', `${says} exec "$0" "$@"`, process.execPath, VIRTWL, 'run', ...options], {
    env,
    stdio: ['ignore', 'pipe', 'pipe', ...(given === undefined ? [] : [given])],
  });
  const ended = once(child, 'close').then(([status]) => status as number | null);
  let [output, errors] = ['', ''];
  const display = new Promise<string | undefined>(resolve => {
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      const [, path] = /^WAYLAND_DISPLAY=(.*)\n/m.exec(output) ?? [];
      if (path !== undefined) resolve(path);
    });
    void ended.then(() => resolve(undefined));
  });
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (errors += text));
  t.teardown(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return { process: child, display, ended, errors: () => errors };
}

async function isServed(display: string): Promise<boolean> {
  const connection = await Display.connect(display);
  await connection.roundtrip();
  connection.close();
  return true;
}

t.test('many programs use the socket of one service', async t => {
  const stack = await stackOf(t);
  const first = service(t, stack, ['--socket', 'wayland-7']);
  const path = join(stack.directory, 'wayland-7');
  t.equal(await first.display, path);
  for (let i = 0; i < 3; i++) t.ok(await isServed(path));

  await t.test('a second one does not take it away', async t => {
    const second = service(t, stack, ['--socket', 'wayland-7']);
    t.equal(await second.ended, 1);
    t.match(second.errors(), /wayland-7: a process serves this socket already/);
    t.ok(await isServed(path), 'the first still serves');
  });

  await t.test('one that was killed leaves nothing in the way', async t => {
    first.process.kill('SIGKILL');
    await first.ended;
    t.ok(existsSync(path), 'what it has left');
    const next = service(t, stack, ['--socket', path]);
    t.equal(await next.display, path);
    t.ok(await isServed(path));
    next.process.kill('SIGTERM');
    t.equal(await next.ended, 0);
    t.notOk(existsSync(path), 'one that ends takes its socket along');
  });
});

t.test('a program that connects starts the service', async t => {
  const stack = await stackOf(t);
  const path = join(stack.directory, 'wayland-8');
  const listening = new OwnedFd(native.listenUnix(path, 8));
  t.teardown(() => listening.close());
  const early = Display.connect(path);
  const given = service(t, stack, ['--socket', path], listening.fd);
  t.equal(await given.display, path);
  const connection = await early;
  await connection.roundtrip();
  t.pass('it is served, though it came first');
  connection.close();
  given.process.kill('SIGTERM');
  t.equal(await given.ended, 0);
  t.ok(existsSync(path), 'the socket is the service manager’s');

  await t.test('which says where that is', async t => {
    const lost = service(t, stack, [], listening.fd);
    t.equal(await lost.ended, 1);
    t.match(lost.errors(), /gives a socket \(LISTEN_FDS\): its place has to be said as well: --socket PATH/);
  });
});
