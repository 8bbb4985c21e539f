/**
 * A slice of the fuzzing that is done by hand (`run.ts`): every kept input, and some thousands made of them. The seed is
 * fixed unless FUZZ_SEED is set; VIRTWL_FUZZ_INPUTS says how many are made for each target.
 */
import t from 'tap';
import { fuzz } from './fuzzer.js';
import { corpusOf, targets } from './targets.js';

const INPUTS = Number(process.env.VIRTWL_FUZZ_INPUTS ?? 3_000);
const SEED = Number(process.env.FUZZ_SEED ?? 4);
/** For the inputs that are made for one target, in milliseconds: on a machine that is busy, they are fewer. */
const MILLISECONDS = 1_500;

t.setTimeout(INPUTS * 100);
for (const target of targets) {
  t.test(`${target.name} (FUZZ_SEED=${SEED})`, async t => {
    const limit = process.env.VIRTWL_FUZZ_INPUTS === undefined ? { milliseconds: MILLISECONDS } : {};
    try {
      const { replayed, made } = await fuzz(target, {
        corpus: corpusOf(target.name),
        seed: SEED,
        inputs: INPUTS,
        ...limit,
        keep: false,
      });
      t.ok(replayed > target.seeds.length, `${replayed} kept inputs`);
      t.ok(made > 0, `${made} made of them`);
    } finally {
      target.close?.();
    }
  });
}
