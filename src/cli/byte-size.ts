/**
 * Sizes as people write them on a command line.
 */
import { InvalidArgumentError } from 'commander';

const UNITS: Record<string, number> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/** Bytes of `512M`, `64K`, `2G` or `4096`: a parser for commander's options. */
export function parseByteSize(text: string): number {
  const [, digits, unit] = /^([0-9]+)([KMG]?)$/.exec(text) ?? [];
  const bytes = digits === undefined ? NaN : Number(digits) * UNITS[unit!]!;
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  throw new InvalidArgumentError('give a size in bytes, or with K, M or G: 512M, for example.');
}
