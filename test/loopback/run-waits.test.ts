/**
 * What `virtwl run` says while its application waits: which part is missing, whenever that changes, and that the wait is
 * over. And how it gives up.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { LoopbackStack, VIRTWL } from '../../src/demo/loopback-stack.js';
import { startSway, type Sway } from '../compositors.js';
import { eventually } from '../eventually.js';
import { foot, quietEnvironment, run, runIn, type Application } from './applications.js';
import { nothingLeft } from './nothing-left.js';

const NO_BROKER = /the broker on the host does not answer: start "virtwl broker"/;
const NO_COMPOSITOR_VM = /the broker knows no compositor VM/;
const NO_COMPOSITOR = /nothing serves clients in the compositor VM: start "virtwl compositor" there/;
const NO_ANSWER = /the compositor does not answer: it hangs, or its VM is paused/;
const OVER = /run info: the wait is over, after \d+ seconds?$/m;

t.setTimeout(280_000);

async function attached(t: Test): Promise<{ sway: Sway; stack: LoopbackStack; env: Record<string, string> }> {
  const sway = await startSway(t);
  const stack = await LoopbackStack.start({ compositor: { attach: sway.display } });
  t.teardown(() => stack.stop());
  return { sway, stack, env: quietEnvironment(t) };
}

async function says(application: Application, what: RegExp): Promise<void> {
  await eventually(`${what} in ${JSON.stringify(application.stderr)}`, () => what.test(application.stderr));
}

/** A terminal that leaves a mark once its shell runs, which is when the compositor has shown it. */
function marking(mark: string): string[] {
  return foot('sh', '-c', 'touch "$1"; exec cat', 'sh', mark);
}

t.test('an application that comes before the parts it needs', async t => {
  const { stack, env } = await attached(t);
  const mark = join(stack.directory, 'mark');
  await stack.kill('compositor');
  await stack.kill('compositor-host');
  await stack.kill('broker');
  const application = runIn(t, stack, 'client', marking(mark), env);
  await says(application, NO_BROKER);
  t.match(
    application.stderr,
    /^[0-9:.]+ run warning: applications have waited for \d+ seconds?: the broker on the host/m,
    'it is told with the seconds',
  );
  await stack.startBroker();
  await says(application, NO_COMPOSITOR_VM);
  await stack.startCompositorHost();
  await says(application, NO_COMPOSITOR);
  t.notOk(existsSync(mark));
  t.notMatch(application.stderr, NO_ANSWER);
  const reasons = [...application.stderr.matchAll(/applications have waited for \d+ seconds?: (.*)/g)];
  t.equal(new Set(reasons.map(([, reason]) => reason)).size, 3, 'and nothing else was waited for');
  await stack.startCompositor();
  await says(application, OVER);
  await eventually('the shell in the terminal', () => existsSync(mark));
  await application.stop();
  await nothingLeft(t, stack);
});

t.test('a compositor that does not answer', async t => {
  const { sway, stack, env } = await attached(t);
  const mark = join(stack.directory, 'mark');
  sway.process.kill('SIGSTOP');
  t.teardown(() => sway.process.kill('SIGCONT'));
  const application = runIn(t, stack, 'client', marking(mark), env);
  await says(application, NO_ANSWER);
  sway.process.kill('SIGCONT');
  await says(application, OVER);
  await eventually('the shell in the terminal', () => existsSync(mark));
  await application.stop();
});

t.test('the host process of the VM is gone', async t => {
  const { stack, env } = await attached(t);
  await stack.kill('client-host', 'SIGKILL');
  const application = runIn(t, stack, 'client', ['sleep', '1000'], env);
  await says(application, /the host process of this VM is gone: start its "virtwl host" again/);
  await stack.startClientHost('client');
  await says(application, OVER);
  await application.stop();
});

t.test('nothing is said where a part is missing that nobody waits for', async t => {
  const { stack, env } = await attached(t);
  const mark = join(stack.directory, 'mark');
  const application = runIn(t, stack, 'client', marking(mark), env, ['--timeout', '250']);
  await eventually('the shell in the terminal', () => existsSync(mark));
  const before = application.stderr.length;
  await stack.kill('broker');
  await new Promise(resolve => setTimeout(resolve, 2_500));
  t.notMatch(application.stderr.slice(before), / run /, 'an application that is served needs no broker');
  await application.stop();
});

t.test('--timeout', async t => {
  const { stack, env } = await attached(t);
  const mark = join(stack.directory, 'mark');

  await stack.kill('compositor');
  const late = runIn(t, stack, 'client', foot('cat'), env, ['--timeout', '3']);
  t.equal(await late.ended, 124, 'one that nobody serves is given up');
  t.match(
    late.stderr,
    /^[0-9:.]+ run error: no compositor has answered within 3 s \(--timeout\): nothing serves clients in the compositor VM/m,
    'and it is said why',
  );

  const socket = run(t, [process.execPath, VIRTWL, 'run', '--timeout', '1'], {
    ...env,
    XDG_RUNTIME_DIR: stack.directory,
    VIRTWL_LOOPBACK: stack.loopback('client'),
  });
  t.equal(await socket.ended, 124, 'without an application as well');

  const patient = runIn(t, stack, 'client', marking(`${mark}2`), env, ['--timeout', '250']);
  await says(patient, NO_COMPOSITOR);
  await stack.startCompositor();
  await eventually('the shell in the terminal', () => existsSync(`${mark}2`));
  t.pass('a compositor that comes in time serves it');
  await patient.stop();

  for (const bad of ['0', '-1', '1.5', 'soon']) {
    const mistaken = runIn(t, stack, 'client', ['true'], env, [`--timeout=${bad}`]);
    t.equal(await mistaken.ended, 2, `${bad} is no number of seconds`);
  }
});
