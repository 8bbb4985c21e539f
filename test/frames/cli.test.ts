/** `virtwl frames` on real compositors: it passes where all is well, and says so where not. */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { compare } from '../../src/frames/compare.js';
import { Pattern } from '../../src/frames/pattern.js';
import { decodePng } from '../../src/frames/picture.js';
import type { ReportJson } from '../../src/frames/report.js';
import { startCage, startSway, type Sway } from '../compositors.js';
import { Screen } from '../loopback/screen.js';
import { frames, framesJson, PATIENCE, startFrames } from './run-frames.js';

t.setTimeout(200_000);

/** Pictures that change this often are frames: a window that comes or goes, and the black one before the first, are fewer. */
const CHANGES = 6;

/** A run is under way once its frames go by. */
async function underWay(t: Test, sway: Sway): Promise<void> {
  const screen = await Screen.open(t, sway.display);
  let last = '';
  let changes = -1;
  await screen.until('frames that go by', ({ pixels }) => {
    const now = createHash('sha1').update(pixels).digest('hex');
    if (now !== last) changes += 1;
    last = now;
    return changes >= CHANGES;
  });
}

t.test('on sway', { timeout: 180_000 }, async t => {
  const sway = await startSway(t, { width: 640, height: 400 });
  const { display } = sway;
  const out = mkdtempSync(join(tmpdir(), 'virtwl-frames-'));
  t.teardown(() => rmSync(out, { recursive: true }));

  t.test('every frame is shown as drawn', async t => {
    for (const damage of ['full', 'block']) {
      const report = await framesJson('--display', display, '--frames', '20', '--damage', damage);
      t.match(
        report,
        {
          status: 0,
          pass: true,
          setup: { frames: 20, width: 640, height: 400, display, memory: 'memfd', damage },
          frames: { sent: 20, checked: 20, shown: 20, wrong: 0, stale: 0, missing: 0 },
          latency: { callback: { count: 20 }, captured: { count: 20 } },
          window: { x: 0, y: 0 },
          failures: [],
        },
        damage,
      );
    }
  });

  t.test('a window of its own size is found where it is', async t => {
    const report = await framesJson('--display', display, '--frames', '5', '--size', '203x117');
    t.match(report, { status: 0, setup: { width: 203, height: 117 } });
    t.ok(report.window!.x > 0 && report.window!.y > 0, 'in the middle of the output');
  });

  t.test('only some frames are checked, when told so', async t => {
    const report = await framesJson('--display', display, '--frames', '10', '--every', '3');
    t.match(report, { status: 0, frames: { sent: 10, checked: 3, shown: 3 } });
  });

  t.test('the report is for people, too', async t => {
    const { status, output } = await frames('--display', display, '--frames', '3', '--out', out, '--timeout', PATIENCE);
    t.equal(status, 0);
    t.match(output, /^shown +3$/m);
    t.match(output, /^pass$/m);
    const pattern = new Pattern(640, 400);
    for (let frame = 1; frame <= 3; frame++) pattern.advance();
    for (const name of ['frame.png', 'captured.png']) {
      t.equal(compare(decodePng(readFileSync(join(out, name))), pattern).kind, 'identical', name);
    }
    t.notOk(existsSync(join(out, 'difference.png')));
  });

  t.test('a window that nobody sees is missing', async t => {
    const hidden = await startSway(t, { width: 320, height: 240 });
    const args = ['--display', display, '--capture', hidden.display, '--frames', '1', '--timeout', '3000'];
    const report = await framesJson(...args);
    t.match(report, {
      status: 1,
      frames: { sent: 1, shown: 0, missing: 1 },
      failures: [{ frame: 1, kind: 'missing' }],
    });
  });

  t.test('one that is told to stop reports on what it has sent', async t => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const args = ['--display', sway.display, '--frames', '1000000', '--size', '64x64', '--timeout', PATIENCE];
      const { child, outcome } = startFrames('--json', ...args);
      await underWay(t, sway);
      child.kill(signal);
      const { status, output } = await outcome;
      const report = JSON.parse(output) as ReportJson;
      t.match(
        { ...report, status },
        { status: 0, pass: true, stopped: true, frames: { wrong: 0, missing: 0 } },
        signal,
      );
      t.ok(report.frames.sent > 0 && report.frames.sent < 1_000_000, 'in the middle');
      t.equal(report.frames.shown, report.frames.sent, 'and those were all shown');
    }
  });

  t.test('a run without a capture does not pass', async t => {
    const report = await framesJson('--display', display, '--no-capture', '--frames', '3');
    t.match(report, { status: 1, frames: { sent: 3, checked: 0 } });
  });
});

t.test('on cage', { timeout: 60_000 }, async t => {
  const { display } = await startCage(t);
  for (const damage of ['full', 'block']) {
    const report = await framesJson('--display', display, '--frames', '10', '--damage', damage, '--size', '1000x600');
    t.match(report, { status: 0, setup: { width: 1000, height: 600 }, frames: { shown: 10 } });
  }
  const faulty = await framesJson('--display', display, '--frames', '4', '--inject', 'pixel@2', '--size', '1000x600');
  t.match(faulty, { status: 1, frames: { shown: 3, wrong: 1 }, failures: [{ frame: 2, kind: 'pixels' }] });

  // cage 0.1.4 does not compose a window that covers the output, and captures an old picture; newer ones do.
  const whole = await framesJson('--display', display, '--frames', '1', '--timeout', '3000');
  t.match(whole.setup, { width: 1280, height: 720 });
  if (!whole.pass) t.match(whole.hint, /try --size/);
});

t.test('a compositor that dies in the middle ends the run', { timeout: 60_000 }, async t => {
  const sway = await startSway(t, { width: 320, height: 240 });
  const run = framesJson('--display', sway.display, '--frames', '1000000');
  await underWay(t, sway);
  await sway.kill();
  const report = await run;
  t.match(report, { status: 1, pass: false, error: /closed the connection/ });
});

t.test('what makes no sense is a mistake of usage', async t => {
  for (const [args, words] of [
    [['--frames', '0'], /whole number/],
    [['--display', '/nowhere', '--inject', 'noise'], /pixel, stale, channel, row/],
    [['--display', '/nowhere', '--inject', 'stale@1'], /frame 1/],
    [['--display', '/nowhere', '--size', '10x10'], /from 24 to 16384/],
    [['--display', '/nowhere', '--size', 'large'], /WIDTHxHEIGHT/],
    [['--display', '/nowhere', '--frames', '2', '--every', '3'], /captures none/],
    [['--display', '/nowhere', '--loopback', '/tmp'], /leave --device and --loopback out/],
  ] as const) {
    const { status, output, errors } = await frames(...args);
    t.equal(status, 2, args.join(' '));
    t.match(errors, words);
    t.equal(output, '');
  }
  const { status, errors } = await frames('--display', '/nowhere/wayland-0');
  t.equal(status, 1, 'nobody listens there');
  t.match(errors, /\/nowhere\/wayland-0/);
});
