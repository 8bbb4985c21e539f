/**
 * The benchmark's C client on a real compositor.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import t from 'tap';

import { descendants } from '../../src/bench/cpu.js';
import { measure, parseMeasurement } from '../../src/bench/measure.js';
import { startSway } from '../../src/bench/sway.js';
import { eventually } from '../eventually.js';

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
  const run = (mode: string, size = '640x360', ...more: string[]) => {
    const command = [CLIENT, '--mode', mode, '--size', size, '--seconds', '0.2', '--warmup', '0.05', ...more];
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

  await t.test('one frame, and when the compositor had it', async t => {
    const before = Number(process.hrtime.bigint()) / 1e9;
    const found = await run('start');
    t.match(found, { mode: 'start', frames: 1, clients: 1, failed: 0 });
    t.ok(found.first_frame! > before, 'by the clock that is read here');
  });

  await t.test('many clients at once, whose rates are summed', async t => {
    const found = await run('small', '64x64', '--clients', '12');
    t.match(found, { clients: 12, failed: 0, width: 64 });
    t.ok(found.frames >= 12, 'frames of all');
    t.ok(found.least_fps! > 0 && 12 * found.least_fps! <= found.fps, 'the slowest is told');
    t.ok(found.p50_us <= found.p99_us && found.p99_us <= found.max_us, 'times of all frames, in order');
    t.equal(found.beside_fps, 0);
  });

  await t.test('another beside it, which is not measured', async t => {
    const found = await run('sync', '64x64', '--beside', '320x240');
    t.match(found, { clients: 1, failed: 0 });
    t.ok(found.beside_fps! > 0, 'draws');
  });

  await t.test('those that fail are counted', async t => {
    const args = ['--mode', 'small', '--size', '64x64', '--seconds', '2', '--clients', '12'];
    const client = spawn(CLIENT, args, { env: { ...process.env, WAYLAND_DISPLAY: sway.display } });
    let output = '';
    client.stdout.on('data', (text: Buffer) => (output += text.toString()));
    const children = (): number[] => descendants(client.pid!).slice(1);
    await eventually('all have started', () => children().length === 12);
    for (const pid of children().slice(0, 3)) process.kill(pid, 'SIGKILL');
    await once(client, 'close');
    t.match(parseMeasurement(output), { clients: 12, failed: 3 });
  });

  await t.test('says what is wrong with its arguments', async t => {
    await t.rejects(run('fast'), { message: /usage/ });
    await t.rejects(run('full', '63x64'), { message: /usage/ }, 'smaller than the square of `small`');
    await t.rejects(run('small', '64x64', '--clients', '0'), { message: /usage/ });
    await t.rejects(run('small', '64x64', '--clients', '1001'), { message: /usage/ }, 'more than one machine serves');
    await t.rejects(run('start', '64x64', '--clients', '2'), { message: /usage/ }, 'each with a start of its own');
    await t.rejects(run('full', '16385x64'), { message: /usage/ }, 'larger than a wl_shm pool may be');
  });

  await t.test('says which compositor it did not reach', async t => {
    await t.rejects(measure('client', [CLIENT, '--mode', 'sync'], { WAYLAND_DISPLAY: join(directory, 'none') }, 0.2), {
      message: /connecting to the compositor/,
    });
  });
});
