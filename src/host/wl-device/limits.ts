/** What one guest may cost the wl device beside what bounds every device (`../guest/limits.ts`). */

/** Bytes of one vfd that wait for the guest, over which it is not read: one read of the socket. */
export const MAX_SOURCE_BYTES = 64 * 1024;

/**
 * Buffers of the guest that may hold one vfd's unread messages. A driver that keeps the buffer until a program has read
 * the message would otherwise let one program that never reads keep all of them, a queue's 256, from the others.
 */
export const MAX_UNREAD_BUFFERS = 64;
