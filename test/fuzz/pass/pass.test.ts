/**
 * A slice of the differential fuzzer of the native pass (`run.ts`), of each kind of relay: whatever is said, it goes on
 * as it does by TypeScript alone. The seed is fixed unless FUZZ_SEED is set.
 */
import t from 'tap';
import { Random } from '../../wayland/random.js';
import type { Counts } from './duel.js';
import { CONTESTS } from './contests.js';

const MESSAGES = 15_000;
const MOST = 3_000;
const SEED = Number(process.env.FUZZ_SEED ?? 7);

t.setTimeout(120_000);
for (const scene of CONTESTS) {
  t.test(`${scene.name} (FUZZ_SEED=${SEED})`, async t => {
    const counts: Counts = { messages: 0, connections: 0, batches: 0, frames: 0, broken: 0 };
    for (let i = 0; counts.messages < MESSAGES; i++) await scene.run(new Random(SEED + i), MOST, counts);
    t.comment(JSON.stringify(counts));
    t.ok(counts.batches > 0, `${counts.batches} batches passed natively`);
    t.ok(counts.broken > 0, `${counts.broken} of ${counts.connections} connections were broken`);
  });
}
