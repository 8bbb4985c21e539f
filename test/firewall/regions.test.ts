/**
 * Regions of very many rectangles. A compositor keeps each region as a list in which every further rectangle is sorted
 * in, so that a message of 24 bytes costs it ever more, and every other client waits for that.
 */
import { readFileSync } from 'node:fs';
import t from 'tap';
import type { Display } from '../../src/wayland-client/display.js';
import { SIEGE } from './siege.js';
import { answered, HOSTILE, roundTrips, Siege, VICTIM } from './siege.js';
import { Window } from './window.js';

const RECTANGLES = 50_000;
const CONNECTIONS = 10;
/**
 * What scattered rectangles may cost the compositor, of what the same number of messages costs it that add nothing: what
 * it costs to be told, and not to compute.
 */
const MOST_TIMES = 4;

/** Processor time that a process has had, in clock ticks. */
function ticksOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /, '')
    .split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

/** Adds rectangles to a region, and gives it to the surface, until all are added or the connection is ended. */
async function flood(
  display: Display,
  window: Window,
  count: number,
  at: (i: number) => [number, number],
): Promise<number> {
  let added = 0;
  try {
    const region = display.bindOnce('wl_compositor').create('create_region');
    for (; added < count; added++) {
      region.request('add', ...at(added), 1, 1);
      if (added % 2_000 === 1_999) await display.roundtrip();
    }
    window.surface.request('set_input_region', region);
    window.surface.request('set_opaque_region', region);
    window.surface.request('commit');
    await display.roundtrip();
    region.request('destroy');
    await display.roundtrip();
  } catch {
    // It was told that this is too much.
  }
  return added;
}

const scattered = (i: number): [number, number] => [((i * 7919) % 4000) * 2, ((i * 104_729) % 4000) * 2];
const together = (): [number, number] => [0, 0];

t.test('regions', SIEGE, async t => {
  const siege = await Siege.begin(t);
  const victim = await siege.connect(VICTIM);
  await Window.open(victim);
  const { pid } = siege.compositor.process;

  const cost = async (at: (i: number) => [number, number]): Promise<number> => {
    const display = await siege.connect(HOSTILE);
    const window = await Window.open(display);
    const before = ticksOf(pid!);
    t.comment(`${await flood(display, window, RECTANGLES, at)} rectangles`);
    display.close();
    await answered(victim);
    return ticksOf(pid!) - before;
  };
  const [plain, much] = [Math.max(await cost(together), 1), await cost(scattered)];
  t.ok(
    much <= MOST_TIMES * plain,
    `scattered rectangles cost the compositor ${much} ticks, the same ones ${plain}: at most ${MOST_TIMES} times as many`,
  );

  const attack = Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const display = await siege.connect(HOSTILE);
      await flood(display, await Window.open(display), RECTANGLES, scattered);
    }),
  );
  const { during, told } = await roundTrips(victim, attack);
  t.ok(during > 0, `the victim is answered while ${CONNECTIONS} clients do it`);
  t.comment(told);
});
