/** What the native calls' errors say, by the code that each carries. */

/** The name of the errno ('EPIPE'); undefined for anything that is no system error. */
export function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}

/** Whether a read or write of a stream says that the peer is gone. */
export function isHangUp(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'EPIPE' || code === 'ECONNRESET';
}
