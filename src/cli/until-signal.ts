/**
 * How a command that serves ends: on SIGINT or SIGTERM, with its sockets removed.
 */

/** Resolves at the first SIGINT or SIGTERM; a second one kills as usual. */
export function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    const stop = (): void => {
      process.removeListener('SIGINT', stop);
      process.removeListener('SIGTERM', stop);
      resolve();
    };
    process.on('SIGINT', stop);
    process.on('SIGTERM', stop);
  });
}
