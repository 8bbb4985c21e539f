/** What waits to be judged at the end of a run is bounded: a run over that ends, says so, and is judged by what it has. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import t from 'tap';
import { DirectClient } from '../../src/direct/direct.js';
import { pictureOf } from '../../src/frames/picture.js';
import { RunReport } from '../../src/frames/report.js';
import { runFrames } from '../../src/frames/run.js';
import { Capturer } from '../../src/wayland-client/capture.js';
import { startSway } from '../compositors.js';
import { coloursOf, Screen } from '../loopback/screen.js';

t.setTimeout(90_000);

/** Text has more than that: an output and a terminal without any have some three. */
const FEW_COLOURS = 8;

t.test('under a terminal that floats', async t => {
  const sway = await startSway(t, {
    width: 640,
    height: 400,
    config: 'for_window [app_id="foot"] floating enable, resize set 160 100, move position 300 150',
  });
  const foot = spawn('foot', ['sh', '-c', 'echo one two; exec sleep 1000'], {
    env: sway.environment(),
    stdio: 'ignore',
  });
  const ended = once(foot, 'exit');
  t.teardown(() => {
    foot.kill('SIGKILL');
    return ended;
  });
  // Its text as well: of a spot of one colour nobody knows whose it is, and one that still grows is of more pixels later.
  await (await Screen.open(t, sway.display)).still('its text', picture => coloursOf(picture) > FEW_COLOURS);

  /** Three frames with so many pixels kept at most. */
  const run = async (keptPixels: number): Promise<{ report: RunReport; error: string }> => {
    const client = await DirectClient.overSocket(sway.display);
    const capturer = await Capturer.open(client.display);
    const window = await client.createWindow({});
    const setup = { frames: 3, width: 640, height: 400, display: '', memory: '', buffers: 3, damage: 'full' } as const;
    const report = new RunReport(setup);
    const options = { frames: 3, every: 1, damage: 'full', timeoutMs: 20_000, keptPixels } as const;
    const capture = async () => pictureOf(await capturer.capture());
    let error = '';
    await runFrames(window, capture, options, report).catch((reason: unknown) => (error = (reason as Error).message));
    client.close();
    return { report, error };
  };
  const enough = await run(1_000_000);
  t.equal(enough.error, '');
  const { pixels, frames } = enough.report.toJSON().foreign[0]!;
  t.equal(frames, 3);
  t.equal((await run(3 * pixels)).error, '', 'as many as that');
  const { error, report } = await run(pixels - 1);
  t.match(error, /pixels wait to be judged: give fewer --frames/);
  t.match(
    report.toJSON(),
    { frames: { checked: 1, shown: 1 }, foreign: [{ frames: 1 }] },
    'what was captured is judged',
  );
});
