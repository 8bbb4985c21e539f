/**
 * The benchmark's C client on a real compositor, and the sums that the report makes of its results.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import t from 'tap';

import { measure, median, parseMeasurement, type Measurement, type Mode } from '../../src/bench/measure.js';
import { formatReport, judge, TARGETS, value, type Cell } from '../../src/bench/report.js';
import { startSway } from '../../src/bench/sway.js';
import type { SystemName } from '../../src/bench/systems.js';

const CLIENT = 'build/bench/client';

t.test('the client', async t => {
  execFileSync('sh', ['src/setup/bench-client.sh']);
  // A socket's path has room for 107 bytes, and a checkout may lie deep: not in a directory of tap's.
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-test-'));
  const sway = await startSway(directory, '1280x720@60Hz');
  t.teardown(async () => {
    await sway.stop();
    rmSync(directory, { recursive: true });
  });
  const run = (mode: string, size = '640x360') => {
    const command = [CLIENT, '--mode', mode, '--size', size, '--seconds', '0.2', '--warmup', '0.05'];
    return measure('client', command, { WAYLAND_DISPLAY: sway.display }, 0.2);
  };

  for (const mode of ['sync', 'full', 'small', 'newpool'] as const) {
    await t.test(`measures ${mode} on a compositor`, async t => {
      const found = await run(mode);
      t.match(found, { mode, width: 640, height: 360 });
      t.ok(found.frames > 0, 'some frames');
      t.ok(found.seconds >= 0.2, 'for as long as asked');
      t.ok(found.before > 0, 'after some that do not count');
      t.ok(found.cpu_us > 0 && found.cpu_us < 2e6 * found.seconds, 'with the processor time that it took, about');
      t.ok(found.p50_us <= found.p90_us && found.p90_us <= found.p99_us && found.p99_us <= found.max_us, 'in order');
      if (mode === 'full' || mode === 'small') t.ok(found.buffers >= 1 && found.buffers <= 3, 'one to three buffers');
    });
  }

  await t.test('a buffer larger than the output is no trouble', async t => {
    t.match(await run('full', '1920x1080'), { width: 1920, height: 1080 });
  });

  await t.test('says what is wrong with its arguments', async t => {
    await t.rejects(run('fast'), { message: /usage/ });
    await t.rejects(run('full', '63x64'), { message: /usage/ }, 'smaller than the square of `small`');
    await t.rejects(run('full', '16385x64'), { message: /usage/ }, 'larger than a wl_shm pool may be');
  });

  await t.test('says which compositor it did not reach', async t => {
    await t.rejects(measure('client', [CLIENT, '--mode', 'sync'], { WAYLAND_DISPLAY: join(directory, 'none') }, 0.2), {
      message: /connecting to the compositor/,
    });
  });
});

t.test('the report', async t => {
  const measured = (mode: Mode, rate: number, p50: number): Measurement => ({
    ...{ mode, width: 1920, height: 1080, frames: 1, seconds: 1, fps: rate },
    ...{ p50_us: p50, p90_us: p50, p99_us: p50, max_us: p50, buffers: 2, before: 0, cpu_us: 0 },
  });
  const cell = (mode: Mode, system: SystemName, numbers: readonly number[]): Cell => ({
    case: { mode, size: '1920x1080' },
    system,
    rounds: numbers.map(n => measured(mode, mode === 'sync' ? 1 : n, mode === 'sync' ? n : 1)),
  });

  await t.test('takes medians over the rounds', async t => {
    t.equal(median([3, 1, 2]), 2);
    t.equal(median([4, 1, 3, 2]), 2, 'the lower middle of an even number');
    t.throws(() => median([]), RangeError);
    const cells = [cell('full', 'copy', [900, 100, 300]), cell('sync', 'copy', [70, 90, 80])];
    t.equal(value(cells, { mode: 'full', size: '1920x1080' }, 'copy'), 300, 'of rates');
    t.equal(value(cells, { mode: 'sync', size: '1920x1080' }, 'copy'), 80, 'of p50 times');
    t.equal(value(cells, { mode: 'full', size: '3840x2160' }, 'copy'), undefined);
  });

  const exactly = [
    ...[cell('full', 'waypipe', [100]), cell('full', 'copy', [300])],
    ...[cell('full', 'direct', [1000]), cell('full', 'drawn', [500])],
    ...[cell('small', 'waypipe', [100]), cell('small', 'copy', [200])],
    ...[cell('sync', 'waypipe', [50]), cell('sync', 'copy', [150])],
  ];

  await t.test('a target is met by the very number, and missed by less', async t => {
    t.strictSame(
      judge(exactly).map(({ met }) => met),
      TARGETS.map(() => true),
    );
    const short = [
      ...[cell('full', 'waypipe', [100]), cell('full', 'copy', [299])],
      ...[cell('full', 'direct', [1000]), cell('full', 'drawn', [499])],
      ...[cell('small', 'waypipe', [100]), cell('small', 'copy', [199])],
      ...[cell('sync', 'waypipe', [50]), cell('sync', 'copy', [151])],
    ];
    t.strictSame(
      judge(short).map(({ met }) => met),
      TARGETS.map(() => false),
    );
  });

  await t.test('a system that failed leaves its targets unmet and says why', async t => {
    const cells = exactly.map(c => (c.system === 'copy' ? { ...c, rounds: [], failure: 'no such socket' } : c));
    t.strictSame(
      judge(cells).map(({ met }) => met),
      [false, true, false, false],
    );
    const text = formatReport(cells);
    t.match(text, /failed/);
    t.match(text, /no such socket/);
    t.match(text, /not measured/);
  });

  await t.test('a line that is no measurement is refused', async t => {
    t.throws(() => parseMeasurement('{"frames":1}'), SyntaxError);
    t.throws(() => parseMeasurement('what'), SyntaxError);
  });
});
