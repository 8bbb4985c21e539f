/**
 * How a command that serves ends: on SIGINT, SIGTERM or SIGHUP, with its sockets removed.
 */

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The longest that a timer can be set to, in milliseconds. */
const LONG = 2 ** 31 - 1;

/**
 * Resolves at the first of these signals; a second one kills as usual.
 * @param end resolves when there is nothing left to serve, which ends the waiting too
 */
export function untilSignal(end?: Promise<unknown>): Promise<void> {
  return new Promise(resolve => {
    // Waiting for a signal keeps no process alive, and one that has only links to others' sockets has nothing else.
    const alive = setInterval(() => {}, LONG);
    const stop = (): void => {
      clearInterval(alive);
      for (const signal of SIGNALS) process.removeListener(signal, stop);
      resolve();
    };
    for (const signal of SIGNALS) process.on(signal, stop);
    void end?.then(stop);
  });
}
