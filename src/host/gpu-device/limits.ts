/** What one guest may cost the gpu device beside what bounds every device (`../guest/limits.ts`). */

/** POLLs of one context that wait for a message. Clients have one, and a second while they take turns. */
export const MAX_POLLS_PER_CONTEXT = 2;

/**
 * The share of the queue's descriptors that POLLs may hold: one for each channel, so that nobody's is refused because of
 * others, and second ones as long as there is room. The rest is for commands, or programs that only wait would stop the VM's
 * others.
 */
export const POLLED_SHARE = 1 / 2;

/** Contexts at a time, with a channel or without: one for each program that has the device open. */
export const MAX_CONTEXTS = 1024;

/** Attachments of resources to contexts at a time: each resource of `GuestLimits.vfds` to some four. */
export const MAX_ATTACHMENTS = 16_384;

/** Cross-domain commands in one SUBMIT_3D. Clients send one. */
export const MAX_COMMANDS_PER_SUBMIT = 16;

/** Stretches of guest memory that a ring lies in. A kernel's page is one. */
export const MAX_RING_ENTRIES = 16;

/**
 * Bytes that wait for one server, or for who reads a pipe, over which it is hung up: clients of cross-domain never wait
 * for an answer to what they send, so holding it back tells them nothing.
 */
export const MAX_STREAM_UNSENT_BYTES = 4 * 2 ** 20;

/** Answers to SENDs and WRITEs of one context that may wait for a busy server. Further ones come at once. */
export const MAX_HELD_ANSWERS = 16;

/** Connections that were announced to a context and that nobody has taken yet. The glue takes each as it comes. */
export const MAX_UNTAKEN = 64;

/**
 * The largest file of a server's that is copied because it cannot be mapped as it is, in bytes: one that may not be
 * written, or is no whole number of pages. Keymaps are such, and tables of formats.
 */
export const MAX_COPIED_BYTES = 2 ** 20;

/** How long the pipes of a channel that has ended may go on before the guest is told of the end, in milliseconds. */
export const PIPE_GRACE_MS = 1000;

/** Bytes of one context that wait for its POLLs, over which nothing is read for it: what one read of each source gives. */
export const MAX_CONTEXT_QUEUED_BYTES = 64 * 1024;
