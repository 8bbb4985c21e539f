/**
 * When a frame was shown, told to a program in a VM whose clock is another: a time namespace stands for the VM, so that
 * its CLOCK_MONOTONIC is a day ahead of the compositor's.
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { LoopbackStack, VIRTWL } from '../../src/demo/loopback-stack.js';
import { startSway, type Sway } from '../compositors.js';
import { quietEnvironment, run } from './applications.js';
import { inOrder, presentedFrames } from './presented-frames.js';
import type { PresentedLine } from './presented-window.js';

/** Seconds by which the clock of the client's VM is ahead. */
const AHEAD = 86_400;
const ELSEWHERE = ['unshare', '--time', '--monotonic', String(AHEAD), '--'];
const FRAMES = 20;
/** The link's way there and back is the most by which a time is off: far below this, and this far below {@link AHEAD}. */
const TOLERANCE_NS = 10_000_000_000n;
const WINDOW = fileURLToPath(new URL('presented-window.js', import.meta.url));

function hasTimeNamespaces(): boolean {
  try {
    execFileSync(ELSEWHERE[0]!, [...ELSEWHERE.slice(1), 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Headless outputs of wlroots 0.15, which sway 1.7 uses, never say that they have shown something. */
function presents(): boolean {
  const version = /(\d+)\.(\d+)/.exec(execFileSync('sway', ['--version'], { encoding: 'utf8' })) ?? [];
  return Number(version[1]) > 1 || Number(version[2]) > 7;
}

async function frames(t: Test, sway: Sway, stack: LoopbackStack, before: readonly string[]): Promise<PresentedLine[]> {
  const env = { ...quietEnvironment(t), XDG_RUNTIME_DIR: sway.runtimeDir, VIRTWL_LOOPBACK: stack.loopback('client') };
  const program = [process.execPath, WINDOW, String(FRAMES)];
  const app = run(t, [...before, process.execPath, VIRTWL, 'run', '--', ...program], env);
  t.equal(await app.ended, 0, app.stderr);
  const shown = presentedFrames(app.output().toString());
  t.equal(shown.length, FRAMES);
  return shown;
}

const silent = presents() ? false : 'this sway tells no times on a headless output';
t.test('presentation times', { timeout: 120_000, skip: silent }, async t => {
  const sway = await startSway(t);
  const stack = await LoopbackStack.start({ compositor: { attach: sway.display } });
  t.teardown(() => stack.stop());
  await t.test('where the clock is the same, they are what the compositor said', async t => {
    inOrder(t, await frames(t, sway, stack, []), 0n);
  });
  const skip = hasTimeNamespaces() ? false : 'time namespaces need root and a kernel that has them';
  await t.test('in a VM with another clock, they are by that', { skip }, async t => {
    inOrder(t, await frames(t, sway, stack, ELSEWHERE), TOLERANCE_NS);
  });
});
