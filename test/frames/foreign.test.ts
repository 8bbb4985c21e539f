/**
 * What others show above the window is named and does not fail a run, and hides no fault: with a real VNC server, whose
 * pointer is a cursor above the window, and a terminal that floats above it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { words } from '../../src/x11/wire.js';
import { startSway, type Sway } from '../compositors.js';
import { freePort } from '../free-port.js';
import { coloursOf, Screen } from '../loopback/screen.js';
import { RfbClient } from '../rfb-client.js';
import { framesJson } from './run-frames.js';

t.setTimeout(240_000);

/** Text has more than that: an output and a terminal without any have some three. */
const FEW_COLOURS = 8;

/** Runs a program beside the compositor until the end of the test. */
function beside(t: Test, sway: Sway, command: string, ...args: string[]): void {
  const child = spawn(command, args, { env: sway.environment(), stdio: 'ignore' });
  const ended = once(child, 'exit');
  t.teardown(() => {
    child.kill('SIGKILL');
    return ended;
  });
}

/** Asks the compositor until it says so; the test's own time is the end of it. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise(resolve => setTimeout(resolve, 20));
}

/** A theme's cursor of 16 x 16 pixels: opaque patches of two colours. */
function cursorFile(): Buffer {
  const side = 16;
  const pixels = Array.from({ length: side * side }, (_, i) => ((i >> 2) % 2 === 0 ? 0xffc81e64 : 0xff1ec864));
  const picture = [36, 0xfffd0002, 24, 1, side, side, 0, 0, 0, ...pixels];
  return Buffer.from(words([0x72756358, 16, 0x10000, 1, 0xfffd0002, 24, 28, ...picture]));
}

interface Seat {
  readonly devices: readonly { readonly type: string }[];
}

t.test('beside wayvnc', { timeout: 120_000 }, async t => {
  // Of no colour of an output without windows, which is grey or black: of such pixels nobody knows whose they are.
  const directory = t.testdir({ patches: { cursors: { default: cursorFile(), left_ptr: cursorFile() } } });
  const env = { XCURSOR_PATH: directory, XCURSOR_THEME: 'patches' };
  const sway = await startSway(t, { width: 640, height: 400, config: 'seat * xcursor_theme patches 24', env });
  const run = (...args: string[]) => framesJson('--display', sway.display, '--frames', '6', ...args);
  t.match(await run(), { status: 0, foreign: [], frames: { shown: 6 } }, 'nothing is there before');
  const port = await freePort();
  beside(t, sway, 'wayvnc', '127.0.0.1', String(port));
  // wayvnc 0.9 has a pointer only while somebody looks.
  await until(() =>
    RfbClient.connect(t, port).then(
      () => true,
      () => false,
    ),
  );
  await until(async () => {
    const seats = (await sway.message('-t', 'get_seats')) as Seat[];
    return seats.some(({ devices }) => devices.some(({ type }) => type === 'pointer'));
  });
  await sway.message('seat - cursor set 320 200');

  await t.test('its cursor is named, and the run passes', async t => {
    const report = await run();
    t.match(report, {
      status: 0,
      frames: { sent: 6, checked: 6, shown: 6, wrong: 0 },
      failures: [],
      foreign: [{ frames: 6, moved: false }],
    });
    const { pixels, box } = report.foreign[0]!;
    t.ok(pixels > 50 && pixels <= box.width * box.height, `${pixels} pixels in ${box.width}x${box.height}`);
    t.ok(box.x >= 300 && box.x <= 340 && box.y >= 180 && box.y <= 220, 'where the pointer is');
  });

  await t.test('a strict run fails on it, and says what it is', async t => {
    const report = await run('--strict');
    t.match(report, { status: 1, frames: { shown: 0, wrong: 6 }, foreign: [{ frames: 6 }] });
    t.match(report.failures[0], { frame: 1, kind: 'foreign', detail: /^another's: \d+ pixels in / });
  });

  for (const fault of ['pixel', 'stale', 'channel', 'row'] as const) {
    for (const damage of ['full', 'block']) {
      await t.test(`${fault} is caught beside it, ${damage} damage`, async t => {
        const patience = fault === 'stale' ? ['--timeout', '3000'] : [];
        const report = await run('--inject', `${fault}@4`, '--damage', damage, ...patience);
        t.match(report, { status: 1, pass: false, frames: { checked: 6, shown: 5, wrong: 1 } });
        t.match(report.failures, [{ frame: 4 }]);
      });
    }
  }
});

t.test('under a terminal that floats', { timeout: 90_000 }, async t => {
  const sway = await startSway(t, {
    width: 640,
    height: 400,
    config: `for_window [app_id="foot"] floating enable, resize set 160 100, move position 300 150
      for_window [app_id="virtwl-frames"] floating disable`,
  });
  beside(t, sway, 'foot', 'sh', '-c', 'echo one two three; exec sleep 1000');
  // Its text as well: of a spot of one colour nobody knows whose it is.
  await (await Screen.open(t, sway.display)).still('its text', picture => coloursOf(picture) > FEW_COLOURS);
  const report = await framesJson('--display', sway.display, '--frames', '6', '--size', '500x300');
  t.match(report, { status: 0, frames: { shown: 6 }, foreign: [{ frames: 6 }] });
});
