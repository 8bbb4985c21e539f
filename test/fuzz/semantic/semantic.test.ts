/**
 * A slice of the semantic fuzzer: hostile clients that say nothing ill-formed, through virtwl, against real compositors,
 * a while of each. And that it bites: a compositor that is known to fall does, where it stands alone.
 */
import { spawnSync } from 'node:child_process';
import t from 'tap';
import { SIEGE } from '../../firewall/siege.js';
import { attack, Finding, report } from './attack.js';
import { drawSteps } from './draw-steps.js';
import { describe } from './step.js';
import { Random } from '../../wayland/random.js';

/** Requests to each compositor: ten seconds of a machine that has little else to do. */
const SLICE = 8_000;
/** Fixed, so that a run that fails can be had again. */
const SEED = 22;
/** Requests within which sway 1.7 falls by itself: some hundred are enough for most seeds. */
const ENOUGH = 20_000;

for (const compositor of ['sway', 'cage'] as const) {
  t.test(`well-formed requests to ${compositor}, through virtwl`, SIEGE, async t => {
    try {
      const { connections, requests } = await attack({
        compositor,
        glue: true,
        seed: SEED,
        requests: SLICE,
        strict: true,
      });
      t.comment(`${connections} connections, ${requests} requests`);
      t.ok(requests > 0, 'nobody else lost anything');
    } catch (error) {
      if (!(error instanceof Finding)) throw error;
      t.fail(error.message);
      t.comment(report(error));
    }
  });
}

const version = spawnSync('sway', ['--version'], { encoding: 'utf8' }).stdout.trim();
t.test('without virtwl it bites', { skip: version.includes('1.7') ? false : `${version} may stand` }, async t => {
  await t.rejects(
    attack({ compositor: 'sway', glue: false, seed: SEED, requests: ENOUGH }),
    { message: /the compositor has ended: SIG/ },
    'sway 1.7 falls',
  );
});

t.test('the steps follow from the seed', async t => {
  const offered = {
    globals: new Map([
      ['wl_compositor', 4],
      ['xdg_wm_base', 2],
      ['wl_seat', 5],
    ]),
    capabilities: 3,
  };
  const steps = (seed: number): string[] => describe(drawSteps(new Random(seed), offered, 200));
  t.strictSame(steps(7), steps(7));
  t.notSame(steps(7), steps(8));
  t.ok(
    steps(7).some(line => /xdg_surface#\d+\.get_toplevel\(\)$/.test(line)),
    'among them a window',
  );
});
