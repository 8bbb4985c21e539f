/**
 * Unmodified applications on unmodified compositors: what an application in a client VM shows is, pixel for pixel, what
 * it shows when it is connected to the same compositor directly. Two compositors of a kind run beside each other, one
 * for each way.
 */
import t, { type Test } from 'tap';
import { LoopbackStack } from '../../src/demo/loopback-stack.js';
import { startCage, startSway, type Compositor } from '../compositors.js';
import { foot, quietEnvironment, run, runIn, type Application } from './applications.js';
import { nothingLeft } from './nothing-left.js';
import { becomeSame, boundsOfDifference, isSame, Screen } from './screen.js';

/** Colours and characters beyond ASCII, line by line so that it scrolls and each frame damages another part. */
const TEXT = 'i=1; while [ $i -le 80 ]; do printf "\\033[3$((i % 8))mline %d \\342\\202\\254 \\303\\274\\033[0m\\n" $i; sleep 0.01; i=$((i+1)); done';

/** Applications that keep still in a quiet environment, sooner or later. */
const STILL: readonly (readonly [name: string, command: readonly string[]])[] = [
  ['foot', foot('sh', '-c', `${TEXT}; exec sleep 1000`)],
  // Its title bar and borders are subsurfaces.
  ['foot with decorations of its own', foot('--override=csd.preferred=client', 'sh', '-c', 'echo hello; exec sleep 1000')],
  ['weston-terminal', ['weston-terminal']],
  ['gtk3-widget-factory', ['gtk3-widget-factory']],
  // Not gtk4-widget-factory: in a window smaller than its contents it lays itself out now one way and now another, also
  // without us.
  ['gtk4-demo', ['gtk4-demo']],
];

/** Captures of a moving application that are laid over each other to find its window. */
const CAPTURES = 12;

t.setTimeout(280_000);

const starters: readonly (readonly [name: string, start: (t: Test) => Promise<Compositor>])[] = [
  ['sway', t => startSway(t, { width: 1280, height: 800 })],
  ['sway with two pixels for one', t => startSway(t, { width: 1280, height: 800, config: 'output HEADLESS-1 scale 2' })],
  ['cage', t => startCage(t)],
];

for (const [name, start] of starters) {
  t.test(name, async t => {
    const [compositor, other] = await Promise.all([start(t), start(t)]);
    const stack = await LoopbackStack.start({ compositor: { attach: other.display } });
    t.teardown(() => stack.stop());
    const [direct, remote] = await Promise.all([Screen.open(t, compositor.display), Screen.open(t, other.display)]);
    const empty = await direct.still('an empty output');
    const env = quietEnvironment(t);

    const directly = { ...env, XDG_RUNTIME_DIR: compositor.runtimeDir, WAYLAND_DISPLAY: compositor.display };
    const endAll = async (applications: readonly Application[]): Promise<void> => {
      await Promise.all(applications.map(application => application.stop()));
      for (const screen of [direct, remote]) await screen.until('an empty output', picture => isSame(picture, empty));
    };

    for (const [application, command] of STILL) {
      await t.test(application, async t => {
        const both = [run(t, command, directly), runIn(t, stack, 'client', command, env)];
        await becomeSame(t, `${application} on ${name}`, direct, remote, empty);
        await endAll(both);
      });
    }

    await t.test('weston-simple-shm, which moves without end', async t => {
      const application = runIn(t, stack, 'client', ['weston-simple-shm'], env);
      const window = await moving(remote, empty);
      await endAll([application]);
      t.same(window, await expectedWindow(t), 'it moves in its window, and nothing else does');
    });

    /** Where weston-simple-shm is, which has 250 x 250 pixels whatever it is told. */
    async function expectedWindow(t: Test): Promise<unknown> {
      if (name !== 'cage') {
        // Connected to it directly, it ends at once: it draws before sway 1.7 has released a first buffer. What does not
        // take the size that sway gives it floats in the middle.
        const side = name === 'sway' ? 250 : 500;
        return { x: (empty.width - side) / 2, y: (empty.height - side) / 2, width: side, height: side };
      }
      const application = run(t, ['weston-simple-shm'], directly);
      const window = await moving(direct, empty);
      await endAll([application]);
      return window;
    }

    await nothingLeft(t, stack);
  });
}

/** Watches an application that draws without end; returns the rectangle of everything that it has drawn. */
async function moving(screen: Screen, empty: Awaited<ReturnType<Screen['capture']>>) {
  let last = await screen.until('a window', picture => !isSame(picture, empty));
  const all = { ...empty, pixels: empty.pixels.slice() };
  for (let i = 0; i < CAPTURES; i++) {
    const before = last;
    last = await screen.until('the next frame', picture => !isSame(picture, before));
    last.pixels.forEach((pixel, at) => {
      if (pixel !== empty.pixels[at]) all.pixels[at] = pixel;
    });
  }
  return boundsOfDifference(all, empty);
}
