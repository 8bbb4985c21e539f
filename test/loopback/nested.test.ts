/**
 * Nested output: a compositor whose screen is a window of another one, which stands for the host's. It runs under
 * `virtwl run --server display`, so its output buffers are memory from its own VM's allocator. With clients of another
 * VM on it this is the whole chain: application, proxy, glue, inner compositor, proxy, outer compositor.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { LoopbackStack, VIRTWL } from '../../src/demo/loopback-stack.js';
import { startSway } from '../compositors.js';
import { foot, quietEnvironment, run, runIn } from './applications.js';
import { nothingLeft } from './nothing-left.js';
import { coloursOf, compared, isSame, same, Screen } from './screen.js';

/** Not the size that wlroots gives such a window to begin with. */
const SIZE = { width: 1000, height: 620 };
/** The inner compositor's own background, so that it is seen to be there. */
const BACKGROUND = 0x203a50;
const INNER = `output * bg #${BACKGROUND.toString(16)} solid_color\ndefault_border none\nxwayland disable\n`;

t.setTimeout(180_000);

t.test('a compositor as a window of another', async t => {
  const outer = await startSway(t, SIZE);
  const directory = LoopbackStack.makeDirectory();
  const config = join(directory, 'inner.config');
  writeFileSync(config, INNER);
  const nested = [
    'run',
    '--server',
    'display',
    '--loopback',
    join(directory, 'compositor'),
    '--',
    'sway',
    '-c',
    config,
  ];
  const stack = await LoopbackStack.start({
    directory,
    compositor: { command: [process.execPath, VIRTWL, ...nested] },
    hostArguments: ['--socket', `display=${outer.display}`],
    env: { WLR_BACKENDS: 'wayland', WLR_RENDERER: 'pixman' },
  });
  t.teardown(() => stack.stop());

  const outside = await Screen.open(t, outer.display);
  await outside.until('the inner compositor', picture =>
    picture.pixels.every(pixel => (pixel & 0xffffff) === BACKGROUND),
  );
  const inside = await Screen.open(t, stack.display);
  const empty = await inside.still('an empty inner output');
  t.match(empty, SIZE, 'it has taken the size of its window');
  t.ok(isSame(empty, await outside.still('the same outside')), 'the outer one shows what the inner one does');
  const { allocator } = await stack.status('compositor-host');
  const { used } = allocator as { used: number };
  t.ok(used >= SIZE.width * SIZE.height * 4, `its output is memory of the allocator: ${used} bytes`);
  t.match(await stack.status('compositor'), { clients: 0 }, 'and of no remote client');

  await t.test('with a client of another VM on it', async t => {
    // For comparison: the same application, connected directly to the same compositor without all this.
    const plain = await startSway(t, { ...SIZE, config: INNER });
    const screen = await Screen.open(t, plain.display);
    const env = quietEnvironment(t);
    const command = foot('sh', '-c', 'for i in 1 2 3 4 5 6; do echo "line $i"; sleep 0.02; done; exec sleep 1000');
    const direct = run(t, command, { ...env, XDG_RUNTIME_DIR: plain.runtimeDir, WAYLAND_DISPLAY: plain.display });
    const remote = runIn(t, stack, 'client', command, env);

    same(t, 'foot on the inner compositor', await compared(screen, inside, empty));
    same(t, 'the inner compositor on the outer one', await compared(inside, outside, empty));
    t.ok(coloursOf(await outside.capture()) > 10, 'with text on it');
    t.match(await stack.status('compositor'), { clients: 1 }, 'from a remote client');

    await Promise.all([direct.stop(), remote.stop()]);
    await outside.until('the empty inner output again', picture => isSame(picture, empty));
  });

  await stack.kill('compositor');
  await nothingLeft(t, stack, false);
});
