/**
 * More windows than there is memory for, with an unmodified program on real sway: those that are there stay and go on
 * drawing, the next one waits, both logs say so, and it appears when another has closed.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import t from 'tap';
import { LoopbackStack, statusOf } from '../../src/demo/loopback-stack.js';
import { startSway } from '../compositors.js';
import { eventually } from '../eventually.js';
import { sharedProxy } from './shared-proxy.js';

/** Two windows of 1080p, one buffer more to draw in, and what is small. */
const SHARE = '28M';

t.test('one window more than there is memory for', { timeout: 120_000 }, async t => {
  const config = 'for_window [app_id=".*"] floating enable';
  const sway = await startSway(t, { width: 1920, height: 1080, config });
  const stack = await LoopbackStack.start({
    compositor: { attach: sway.display },
    compositorArguments: ['--vm-share', SHARE],
  });
  t.teardown(() => stack.stop());
  const { proxy, path, log } = await sharedProxy(t, stack, sway.runtimeDir);
  const program = (id: string): ChildProcess => {
    const draws = ['sh', '-c', 'while :; do date +%N; sleep 0.1; done'];
    const args = ['--config=/dev/null', `--app-id=${id}`, '-w', '1920x1080', ...draws];
    const env = { ...process.env, WAYLAND_DISPLAY: path, XDG_RUNTIME_DIR: sway.runtimeDir, LC_ALL: 'C.UTF-8' };
    const child = spawn('foot', args, { env, stdio: 'ignore' });
    t.teardown(() => child.kill());
    return child;
  };
  const windows = async (): Promise<string[]> => {
    const tree = JSON.stringify(await sway.message('-t', 'get_tree'));
    return [...tree.matchAll(/"app_id":"(\w+)"/g)].map(([, id]) => id!).sort();
  };
  const shown = async (ids: readonly string[]): Promise<void> => {
    for (let tries = 0; (await windows()).join() !== ids.join(); tries++) {
      if (tries > 200)
        throw new Error(`waited in vain for the windows ${ids.join()}: there are ${(await windows()).join()}`);
      await pause(100);
    }
  };
  const frames = async (): Promise<number> => (await statusOf(proxy)).frames as number;

  const one = program('one');
  await shown(['one']);
  const two = program('two');
  await shown(['one', 'two']);
  const three = program('three');
  // foot 1.17 and later make a floating window a whole number of cells high, so 1080 rows or some less.
  await eventually('the shortage is told', () => /no memory for a frame of 1920x10\d\d pixels/.test(log()));
  t.match(log(), /VM "client" may have: it uses \d+ of 29360128 bytes and \d+ of \d+ slabs/);
  const before = await frames();
  let after = before;
  for (let tries = 0; tries < 100 && after < before + 10; tries++) {
    await pause(100);
    after = await frames();
  }
  t.ok(after >= before + 10, 'the windows that are there go on drawing');
  t.same(await windows(), ['one', 'two']);
  t.same([one.exitCode, two.exitCode, three.exitCode], [null, null, null], 'no program has ended');

  one.kill();
  await shown(['three', 'two']);
  await eventually('its end is told', () => log().includes('no frame waits for memory any more'));
  for (const child of [two, three]) child.kill();
  await shown([]);
  for (let tries = 0; tries < 100; tries++) {
    const { allocator } = await stack.status('compositor-host');
    if ((allocator as { used: number }).used === 0) break;
    await pause(100);
  }
  t.match((await stack.status('compositor-host')).allocator, { used: 0, pieces: 0 });
});
