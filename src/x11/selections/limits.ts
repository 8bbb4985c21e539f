/** What the exchange of selections may cost, each with its reason. */

/** Bytes of a transfer that are in memory at a time: the capacity of a Linux pipe, and a fourth of the smallest request. */
export const CHUNK_BYTES = 64 * 1024;

/**
 * Transfers at the same time, both ways together. A person pastes one thing at a time; each costs a window or a watch, a
 * descriptor and {@link CHUNK_BYTES}. What goes beyond is refused.
 */
export const MAX_TRANSFERS = 64;

/** Kinds of data of one selection that are carried over: as many as the firewall lets a program offer. */
export const MAX_TARGETS = 256;

/** The longest name of a kind of data, in bytes; mime types have 127 at most, by their registry's rules. */
export const MAX_NAME_BYTES = 255;

/** Conversions in one MULTIPLE. The few programs that ask so ask for two or three. */
export const MAX_MULTIPLE = 16;

/** Names that we make atoms of while one X server lives. It never forgets one, and Wayland programs can offer any. */
export const MAX_MADE_ATOMS = 4096;

/** Names of X clients' atoms that are remembered, so as not to ask for them each time. */
export const MAX_KNOWN_NAMES = 4096;

/**
 * Owners of XdndSelection that have been asked for their kinds of data and have not answered. A person drags one thing at a time;
 * each costs a window, and a program that takes the selection over and over could have any number of them. Of a program that
 * is over its share, it is as if it did not say.
 */
export const MAX_DRAG_QUESTIONS = 16;
