/**
 * What `virtwl probe` and the host's `probe` server say to each other, and the pattern they check.
 *
 * The guest sends `u64 size` and `u32 seed` (little-endian, 12 bytes) with one memory fd on the first byte. The memory
 * holds {@link fillPattern} of the seed. The host checks it through its own mapping, then overwrites it with the pattern
 * of the seed's complement for the guest to check, and answers `u8 verdict`, `u64 offset` (of the first wrong byte, or
 * the bytes that were checked).
 */

export const PROBE_REQUEST_BYTES = 12;
export const PROBE_REPLY_BYTES = 9;

/** The largest memory that the host checks: checking it keeps the host process busy for a tenth of a second. */
export const MAX_PROBE_BYTES = 64 * 1024 * 1024;

export const Verdict = { Match: 0, Mismatch: 1, BadSize: 2, NoMemory: 3, CannotMap: 4 } as const;
export type Verdict = (typeof Verdict)[keyof typeof Verdict];

export interface ProbeRequest {
  /** In bytes, a multiple of 4. */
  readonly size: number;
  readonly seed: number;
}

export interface ProbeReply {
  readonly verdict: number;
  readonly offset: number;
}

export function encodeProbeRequest({ size, seed }: ProbeRequest): Uint8Array {
  const bytes = Buffer.alloc(PROBE_REQUEST_BYTES);
  bytes.writeBigUInt64LE(BigInt(size), 0);
  bytes.writeUInt32LE(seed >>> 0, 8);
  return bytes;
}

/** `bytes` holds at least {@link PROBE_REQUEST_BYTES}. A size beyond 2^53 comes out rounded, and is refused anyway. */
export function decodeProbeRequest(bytes: Uint8Array): ProbeRequest {
  const view = new DataView(bytes.buffer, bytes.byteOffset, PROBE_REQUEST_BYTES);
  return { size: Number(view.getBigUint64(0, true)), seed: view.getUint32(8, true) };
}

export function encodeProbeReply({ verdict, offset }: ProbeReply): Uint8Array {
  const bytes = Buffer.alloc(PROBE_REPLY_BYTES);
  bytes[0] = verdict;
  bytes.writeBigUInt64LE(BigInt(offset), 1);
  return bytes;
}

/** `bytes` holds at least {@link PROBE_REPLY_BYTES}. */
export function decodeProbeReply(bytes: Uint8Array): ProbeReply {
  const view = new DataView(bytes.buffer, bytes.byteOffset, PROBE_REPLY_BYTES);
  return { verdict: view.getUint8(0), offset: Number(view.getBigUint64(1, true)) };
}

/** The word at `index`: every word of a page and every page differ, so that a shifted or stale page shows. */
function word(index: number, seed: number): number {
  let value = Math.imul(index ^ seed, 0x9e3779b1);
  value ^= value >>> 15;
  return Math.imul(value, 0x85ebca77) >>> 0;
}

/** Writes the pattern of `seed` over the whole of `buffer`, whose length is a multiple of 4. */
export function fillPattern(buffer: ArrayBuffer, seed: number): void {
  const words = new Uint32Array(buffer);
  for (let index = 0; index < words.length; index++) words[index] = word(index, seed);
}

/** The offset in bytes of the first word that differs from the pattern of `seed`, or -1. */
export function findMismatch(buffer: ArrayBuffer, seed: number): number {
  const words = new Uint32Array(buffer);
  for (let index = 0; index < words.length; index++) if (words[index] !== word(index, seed)) return index * 4;
  return -1;
}
