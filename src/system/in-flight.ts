/**
 * Descriptors on their way: sent over a socket, and not received yet. A user may have as many of them as the sender may
 * have open files, all processes of that user counted. A send over that limit fails, although it is only too early:
 * the sender waits a moment and sends again, and takes nothing more to send meanwhile.
 */

/** ETOOMANYREFS, for which libuv has no name. asm-generic/errno.h: the same on x86-64 and arm64. */
const ETOOMANYREFS = 109;

/**
 * How long to wait before a send is tried again, in milliseconds. There is room to write meanwhile, so a poll would call
 * at once, again and again.
 */
export const IN_FLIGHT_PAUSE_MS = 20;

/** Whether an error of a send says that too many descriptors of this user are on their way. */
export function tooManyInFlight(error: unknown): boolean {
  return (error as { errno?: number }).errno === ETOOMANYREFS;
}
