/** Making an input that breaks something as short as it can be and still breaks it in the same way. */
import { Held, turn } from './held.js';
import type { Target } from './target.js';

/** Tries in all. */
const MOST_TRIES = 2_000;

export async function shorten(target: Target, input: Uint8Array): Promise<Uint8Array> {
  let best = input;
  let tries = 0;
  const held = new Held();
  const breaks = async (candidate: Uint8Array): Promise<string> => {
    tries += 1;
    try {
      await target.run(candidate);
      target.check?.();
      await turn();
      held.check();
      return '';
    } catch (error) {
      return String(error).replace(/\d+/g, '');
    }
  };
  const how = await breaks(best);
  // Where it does not break again by itself, it took what came before it.
  if (how === '') return best;
  for (let size = Math.ceil(best.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < best.length && tries < MOST_TRIES;) {
      const candidate = Uint8Array.from([...best.subarray(0, at), ...best.subarray(at + size)]);
      if ((await breaks(candidate)) === how) best = candidate;
      else at += size;
    }
  }
  return best;
}
