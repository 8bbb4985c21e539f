/**
 * The differential fuzzer of the native pass by hand:
 *
 *   node dist/test/fuzz/pass/run.js --messages 10000000 --seed 1
 *
 *   --scene NAME   one of `contests.ts` alone
 *   --from N       the connection to begin with: a difference names its own
 */
import { parseArgs } from 'node:util';
import { Random } from '../../wayland/random.js';
import type { Counts } from './duel.js';
import { CONTESTS } from './contests.js';

const PROGRESS_MS = 10_000;
/** Messages of one connection at most. */
const MOST = 5_000;

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '10000000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    scene: { type: 'string' },
    from: { type: 'string', default: '0' },
  },
});
const scenes = CONTESTS.filter(({ name }) => values.scene === undefined || values.scene === name);
const counts: Counts = { messages: 0, connections: 0, batches: 0, frames: 0, broken: 0 };
const tell = (): void => {
  const { messages, connections, batches, frames, broken } = counts;
  console.log(
    `${messages} messages, ${connections} connections (${broken} broken), ${batches} batches and ${frames} frames passed natively`,
  );
};
console.log(`seed ${values.seed}`);
let told = Date.now();
for (let i = Number(values.from); counts.messages < Number(values.messages); i++) {
  try {
    await scenes[i % scenes.length]!.run(new Random(Number(values.seed) * 1_000_003 + i), MOST, counts);
  } catch (error) {
    console.error(`connection ${i} (--seed ${values.seed} --from ${i})`);
    throw error;
  }
  if (Date.now() - told < PROGRESS_MS) continue;
  told = Date.now();
  tell();
}
tell();
