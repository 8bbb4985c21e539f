/** What can be fuzzed. */
import type { Random } from '../wayland/random.js';

export interface Target {
  /** Names its corpus: letters and dashes. */
  readonly name: string;
  /** Longest input in bytes. */
  readonly maxBytes: number;
  /** Inputs to begin with when the corpus is empty. */
  readonly seeds: readonly Uint8Array[];
  /** Parts that inputs are made of: names, numbers that matter. */
  readonly dictionary?: readonly Uint8Array[];
  /**
   * Takes one input. Throws (or rejects) only where something is wrong. What it returns describes what happened: an input
   * that brings a word that was never there is kept, beside those that reach new code.
   */
  run(input: Uint8Array): readonly string[] | void | Promise<readonly string[] | void>;
  /**
   * Called after each input: throws, once, where it has left something behind. Descriptors and mappings of the process
   * need no look here: the fuzzer counts them for every target.
   */
  check?(): void;
  /** Changes an input in a way of its own, now and then. */
  mutate?(random: Random, input: Uint8Array): Uint8Array;
  /** Ends what it holds. */
  close?(): void;
}
