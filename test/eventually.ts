/** Waiting for what other processes or the event loop bring about. The test's own timeout is the end of it. */

const INTERVAL_MS = 5;
/** Most things happen within a few turns of the event loop: as many are taken at once. */
const TURNS = 20;

/** Resolves once `condition` holds; rejects, naming `what`, when it does not within `timeoutMs`. */
export async function eventually(what: string, condition: () => boolean, timeoutMs = 30_000): Promise<void> {
  const end = Date.now() + timeoutMs;
  for (let count = 0; !condition(); count++) {
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise(resolve => (count < TURNS ? setImmediate(resolve) : setTimeout(resolve, INTERVAL_MS)));
  }
}
