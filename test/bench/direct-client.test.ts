/** The benchmark's drawing client, over the whole path to a real compositor. */
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { measure, type Mode } from '../../src/bench/measure.js';
import { LoopbackStack } from '../../src/demo/loopback-stack.js';
import { startSway } from '../compositors.js';

const CLIENT = fileURLToPath(new URL('../../src/bench/direct-client.js', import.meta.url));

t.setTimeout(120_000);

t.test('the drawing client', { timeout: 110_000 }, async t => {
  const sway = await startSway(t, { width: 640, height: 360 });
  const stack = await LoopbackStack.start({ compositor: { attach: sway.display } });
  t.teardown(() => stack.stop());
  const run = (mode: string, ...more: string[]) =>
    measure(
      'drawing client',
      [process.execPath, CLIENT, '--mode', mode, '--seconds', '0.2', '--warmup', '0.05', ...more],
      { VIRTWL_LOOPBACK: stack.loopback('client') },
      0.2,
    );

  for (const mode of ['sync', 'full', 'small', 'newpool'] as const satisfies readonly Mode[]) {
    await t.test(`measures ${mode}`, async t => {
      const found = await run(mode, '--size', '320x240');
      t.match(found, { mode, width: 320, height: 240 });
      t.ok(found.frames > 0, 'some frames');
      t.ok(found.seconds >= 0.2, 'for as long as asked');
      t.ok(found.before > 0, 'after some that do not count');
      t.ok(found.cpu_us > 0, 'with the processor time that it took');
      t.ok(found.p50_us <= found.p90_us && found.p90_us <= found.p99_us && found.p99_us <= found.max_us, 'in order');
      if (mode === 'full' || mode === 'small') t.ok(found.buffers >= 1 && found.buffers <= 3, 'one to three buffers');
    });
  }

  await t.test('says what is wrong with its arguments', async t => {
    await t.rejects(run('fast'), { message: /Allowed choices/ });
    await t.rejects(run('full', '--size', '63x64'), { message: /from 64 to 16384/ });
    await t.rejects(run('full', '--size', '16385x64'), { message: /from 64 to 16384/ });
    await t.rejects(run('full', '--seconds', 'many'), { message: /give seconds/ });
  });
});
