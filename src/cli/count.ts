/**
 * Counts on a command line.
 */
import { InvalidArgumentError } from 'commander';

/** A whole number of at least 1: a parser for commander's options. */
export function parseCount(text: string): number {
  const count = /^[0-9]+$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(count) && count > 0) return count;
  throw new InvalidArgumentError('give a whole number of at least 1.');
}
