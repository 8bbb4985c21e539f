/** Sizes on the command line: `512M` for 512 MiB. */
import { InvalidArgumentError } from 'commander';

const UNITS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** Bytes of "1048576", "1024K", "1M" or "1MiB"; for use as an option's parser. */
export function parseBytes(text: string): number {
  const parts = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?$/i.exec(text.trim());
  const bytes = parts === null ? NaN : Number(parts[1]) * UNITS[parts[2]!.toUpperCase()]!;
  if (!Number.isSafeInteger(bytes) || bytes <= 0) {
    throw new InvalidArgumentError('Give a number of bytes with K, M, G or T behind it, like 512M.');
  }
  return bytes;
}

/** A size as {@link parseBytes} reads it, in the largest unit of which it is a whole number. */
export function formatBytes(bytes: number): string {
  const [unit, size] = Object.entries(UNITS).findLast(([, size]) => bytes >= size && bytes % size === 0) ?? ['', 1];
  return `${bytes / size}${unit}`;
}
