/**
 * Copies bytes from one descriptor to another until the first ends: clipboard pipes, between the pipes of an
 * application or compositor and those of virtio_wl.
 */
import type { OwnedFd } from '../fd.js';

export interface SpliceOptions {
  /** Gives up when no byte moved for so long, in milliseconds; 0, the default, never does. */
  readonly idleTimeoutMs?: number;
}

/** How a splice ended. */
export interface SpliceResult {
  /** Bytes that were written to the destination. */
  readonly bytes: number;
  readonly reason: 'end' | 'reader-gone' | 'idle' | 'closed' | 'error';
  readonly error?: Error;
}

export interface Splice {
  /** Resolves once, when both descriptors are closed. Never rejects. */
  readonly done: Promise<SpliceResult>;
  readonly bytes: number;
  /** Stops and closes both. Idempotent. */
  close(): void;
}

/** Starts copying from `from` to `to`. Takes ownership of both and closes them at the end. */
export declare function splice(from: OwnedFd, to: OwnedFd, options?: SpliceOptions): Splice;
