/**
 * The clipboard between VMs: what is copied in one is pasted in another and on the compositor itself, and the other way
 * round; text and other bytes, clipboard and primary selection. The data goes through pipes of virtio_wl, spliced at
 * each end.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { LoopbackStack } from '../../src/demo/loopback-stack.js';
import { Display } from '../../src/wayland-client/display.js';
import { VirtualKeyboard } from '../../src/wayland-client/virtual-keyboard.js';
import { startSway } from '../compositors.js';
import { quietEnvironment, run, runIn, type Application } from './applications.js';
import { descriptorsOf, nothingLeft, sameDescriptors } from './nothing-left.js';

/** More than a pipe holds, and than one message does. */
const LARGE_BYTES = 300_000;
/** How long a paste may take to see what was copied, in milliseconds. */
const TIMEOUT_MS = 20_000;

const TEXT = 'Grüße aus einer anderen VM, 3 €';

t.setTimeout(180_000);

/** A compositor with two client VMs, and the tools in any of the three. */
async function desktop(t: Test, compositorArguments: readonly string[] = []) {
  const sway = await startSway(t);
  const stack = await LoopbackStack.start({
    clients: ['office', 'lab'],
    compositor: { attach: sway.display },
    compositorArguments,
  });
  t.teardown(() => stack.stop());
  const display = await Display.connect(sway.display);
  t.teardown(() => display.close());
  // Only what has the keyboard focus may copy: without a clipboard manager's rights the tools ask for it with a window.
  new VirtualKeyboard(display);
  await display.roundtrip();
  const env = quietEnvironment(t);

  /** Runs a tool in a VM, or at the compositor itself. */
  function runAt(place: string, command: readonly string[]): Application {
    if (place !== 'compositor') return runIn(t, stack, place, command, env);
    return run(t, command, { ...env, XDG_RUNTIME_DIR: sway.runtimeDir, WAYLAND_DISPLAY: sway.display });
  }

  function copy(place: string, options: readonly string[], data: string | Buffer): Application {
    const application = runAt(place, ['wl-copy', '--foreground', ...options]);
    application.process.stdin!.end(data);
    return application;
  }

  /** Pastes until it is `expected`, which another program is just copying. Returns what it got last. */
  async function paste(place: string, options: readonly string[], expected: Buffer): Promise<Buffer> {
    for (const end = Date.now() + TIMEOUT_MS; ; await pause(100)) {
      const application = runAt(place, ['wl-paste', '--no-newline', ...options]);
      await application.ended;
      const got = application.output();
      if (got.equals(expected) || Date.now() > end) return got;
    }
  }

  return { stack, runAt, copy, paste };
}

t.test('copy and paste', async t => {
  const { stack, runAt, copy, paste } = await desktop(t);
  t.equal(await runAt('lab', ['wl-paste']).ended, 1, 'there is nothing to paste yet');
  await nothingLeft(t, stack);
  const before = descriptorsOf(stack);

  const selections: readonly (readonly [name: string, options: readonly string[]])[] = [
    ['clipboard', []],
    ['primary selection', ['--primary']],
  ];
  const data: readonly (readonly [name: string, options: readonly string[], data: Buffer])[] = [
    ['text', [], Buffer.from(TEXT)],
    ['a lot of bytes', ['--type', 'application/octet-stream'], randomBytes(LARGE_BYTES)],
  ];
  for (const [selection, which] of selections) {
    for (const [what, type, bytes] of data) {
      await t.test(`${selection}: ${what}`, async t => {
        const options = [...which, ...type];
        const first = copy('office', options, bytes);
        t.ok(bytes.equals(await paste('lab', options, bytes)), 'from one VM to another');
        t.ok(bytes.equals(await paste('compositor', options, bytes)), 'from a VM to the compositor');
        const second = copy('compositor', options, bytes.subarray(1));
        t.ok(bytes.subarray(1).equals(await paste('lab', options, bytes.subarray(1))), 'from the compositor to a VM');
        t.equal(await first.ended, 0, 'the program that copied before is told that another has');
        await second.stop();
      });
    }
  }

  await t.test('a reader who leaves half-way', async t => {
    const bytes = randomBytes(2 * LARGE_BYTES);
    const options = ['--type', 'application/octet-stream'];
    const source = copy('office', options, bytes);
    t.ok(bytes.equals(await paste('lab', options, bytes)), 'all of it can be had');
    const reader = runAt('lab', [
      'sh',
      '-c',
      'wl-paste --no-newline --type application/octet-stream | head -c 1000 | wc -c',
    ]);
    await reader.ended;
    t.equal(Number(reader.output().toString()), 1000, 'one reads the beginning');
    t.ok(bytes.equals(await paste('compositor', options, bytes)), 'the next one has all of it');
    await source.stop();
  });

  await nothingLeft(t, stack);
  await sameDescriptors(t, stack, before);
});

t.test('a VM that may not read, and one that may not write', async t => {
  const directory = t.testdir({ 'office.policy': 'clipboard write\n', 'lab.policy': 'clipboard read\n' });
  const { stack, runAt, copy, paste } = await desktop(t, ['--policy', directory]);
  const text = Buffer.from(TEXT);
  for (const which of [[], ['--primary']] as const) {
    const name = which.length === 0 ? 'clipboard' : 'primary selection';
    const first = copy('office', which, text);
    t.ok(text.equals(await paste('lab', which, text)), `${name}: what the writer copies, the reader pastes`);
    const own = runAt('office', ['wl-paste', '--no-newline', ...which]);
    t.equal(await own.ended, 1, `${name}: the writer is told that there is nothing`);
    t.notOk(own.output().includes(text), 'and gets nothing');
    const types = runAt('office', ['wl-paste', '--list-types', ...which]);
    await types.ended;
    t.notMatch(types.output().toString(), 'text/plain', 'nor of what kind it is');
    const declined = copy('lab', which, Buffer.from('overwritten'));
    t.equal(
      await declined.ended,
      0,
      `${name}: what the reader copies is declined, as if another program had copied at once`,
    );
    t.ok(text.equals(await paste('compositor', which, text)), 'and what was there stays');
    await first.stop();
  }
  await nothingLeft(t, stack);
});
