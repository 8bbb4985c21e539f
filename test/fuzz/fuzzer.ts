/**
 * The loop: take an input of the corpus, change it, run it, and keep it if it reached code that none had reached, or if
 * the target tells something new of it. Coverage is read once a batch; only when a batch brought something new are
 * its inputs run again, in ever smaller groups, to find which.
 *
 * Everything follows from the seed, so that what was found can be had again.
 */
import { writeSync } from 'node:fs';
import { appendToCorpus, readCorpus, writeCorpus } from './corpus.js';
import { Random } from '../wayland/random.js';
import { Coverage, type News } from './coverage.js';
import { Held, turn } from './held.js';
import { liveBytes } from './live-bytes.js';
import { mutate } from './mutate.js';
import type { Target } from './target.js';
import { Watchdog } from './watchdog.js';

/** Inputs between two looks at the coverage. */
const BATCH = 1024;
/** Inputs between two looks at the descriptors and mappings: a look costs as much as running a few inputs. */
const HELD_EVERY = 64;
/**
 * What may live on the heap at the end beyond what lived after a tenth of the inputs, in bytes, beside the corpus. Over a
 * million inputs, that is less than the smallest object for every other input.
 */
const GROWTH_BYTES = 16 << 20;
/** Into how many groups a batch is divided to find the input that was new. */
const GROUPS = 8;
/** How much of the processor one input may take, in milliseconds. What a target does takes a few at most. */
const SLOW_MS = 2_000;
/** Of how many inputs one is made from the newest. */
const NEWEST_EVERY = 4;

/** An input that broke something. */
export class Finding extends Error {
  override readonly name = 'Finding';
  constructor(
    readonly target: string,
    readonly input: Uint8Array,
    override readonly cause: unknown,
  ) {
    super(`${target}: ${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}`);
  }
}

export interface FuzzOptions {
  /** The file of the target's corpus. */
  readonly corpus: string;
  readonly seed: number;
  /** Inputs to make, beside those of the corpus. */
  readonly inputs: number;
  /** Ends earlier, after so many milliseconds. */
  readonly milliseconds?: number;
  /**
   * Whether code that none had reached counts as new; default yes. Without, only what the target tells does, and an input
   * takes a fifth less time: for many inputs made of a corpus that has grown already.
   */
  readonly coverage?: boolean;
  /** Writes what is new into the corpus. */
  readonly keep: boolean;
  /** Told now and then. */
  readonly progress?: (made: number, corpus: number, characters: number) => void;
}

export interface FuzzResult {
  readonly replayed: number;
  readonly made: number;
  readonly kept: number;
  readonly corpus: number;
  /** Characters of compiled code that ran. */
  readonly characters: number;
  /** Bytes alive on the heap after a tenth of the inputs, and at the end. */
  readonly live: readonly [number, number];
}

export async function fuzz(target: Target, options: FuzzOptions): Promise<FuzzResult> {
  const fuzzer = new Fuzzer(target, options);
  try {
    return await fuzzer.run();
  } finally {
    await fuzzer.close();
  }
}

/** Makes a corpus as small as it can be. Returns how many inputs it has then. */
export async function minimize(target: Target, corpus: string): Promise<number> {
  const fuzzer = new Fuzzer(target, { corpus, seed: 1, inputs: 0, keep: false });
  try {
    return await fuzzer.minimize();
  } finally {
    await fuzzer.close();
  }
}

class Fuzzer {
  readonly #random: Random;
  readonly #coverage = new Coverage();
  readonly #watchdog: Watchdog;
  readonly #words = new Set<string>();
  readonly #corpus: Uint8Array[] = [];
  readonly #known = new Set<string>();
  #kept = 0;
  /** Inputs since the last look at what is held. */
  readonly #unproved: Uint8Array[] = [];
  #held: Held | undefined;
  /** A promise that nobody waits for was rejected, or what the event loop called has thrown. */
  #rejection: unknown = undefined;
  #running: Uint8Array | undefined;
  /** The process ends while an input is run: what it waits for has been lost, and nothing is left that could end it. */
  readonly #onExit = (): void => {
    if (this.#running === undefined) return;
    const input = Buffer.from(this.#running).toString('base64');
    writeSync(2, `not ok - ${this.target.name}: waits for ever on the input (base64) ${input}\n`);
  };
  readonly #onRejection = (reason: unknown): void => void (this.#rejection ??= reason);

  constructor(
    private readonly target: Target,
    private readonly options: FuzzOptions,
  ) {
    this.#random = new Random(options.seed);
    this.#watchdog = new Watchdog(target.name, target.maxBytes);
  }

  async close(): Promise<void> {
    await this.#watchdog.close();
    process.off('exit', this.#onExit);
    process.off('unhandledRejection', this.#onRejection);
    process.off('uncaughtException', this.#onRejection);
  }

  async run(): Promise<FuzzResult> {
    const { target, options } = this;
    process.on('exit', this.#onExit);
    process.on('unhandledRejection', this.#onRejection);
    process.on('uncaughtException', this.#onRejection);
    const inputs = readCorpus(options.corpus);
    await this.#watchdog.ready();
    const withCoverage = options.coverage ?? true;
    if (withCoverage) this.#coverage.start();
    try {
      for (const input of [...target.seeds, ...inputs]) {
        await this.#one(input);
        this.#add(input, false);
        // What is made once, by the first input, is no leak.
        this.#held ??= new Held();
      }
      if (withCoverage) this.#coverage.look();
      const end = Date.now() + (options.milliseconds ?? Infinity);
      let made = 0;
      let tenth: number | undefined;
      while (made < options.inputs && Date.now() < end) {
        made += await this.#batch(Math.min(BATCH, options.inputs - made), end, withCoverage);
        if (made >= options.inputs / 10) tenth ??= liveBytes();
        options.progress?.(made, this.#corpus.length, this.#coverage.characters);
      }
      await this.#proveHeld();
      const live = [tenth ?? liveBytes(), liveBytes()] as const;
      if (live[1] - live[0] > GROWTH_BYTES)
        throw new Error(`${target.name}: ${live[0]} bytes were alive after a tenth, and ${live[1]} at the end`);
      return {
        live,
        replayed: target.seeds.length + inputs.length,
        made,
        kept: this.#kept,
        corpus: this.#corpus.length,
        characters: this.#coverage.characters,
      };
    } finally {
      if (withCoverage) this.#coverage.stop();
    }
  }

  /** Makes and runs some inputs, until it is time to end. Returns how many. */
  async #batch(count: number, end: number, withCoverage: boolean): Promise<number> {
    const batch: Uint8Array[] = [];
    while (batch.length < count && Date.now() < end) {
      const input = this.#make();
      batch.push(input);
      if (await this.#one(input)) this.#add(input, true);
    }
    if (withCoverage) {
      const news = this.#coverage.look();
      if (news.size > 0) await this.#attribute(news, batch, end);
    }
    return batch.length;
  }

  /** Finds the inputs that reached what is new, by running ever smaller groups of them again. */
  async #attribute(news: News, inputs: readonly Uint8Array[], end: number): Promise<void> {
    const size = Math.ceil(inputs.length / GROUPS);
    for (let at = 0; at < inputs.length && news.size > 0 && Date.now() < end; at += size) {
      const group = inputs.slice(at, at + size);
      for (const input of group) await this.#one(input);
      if (group.length === 1) {
        if (this.#coverage.takeFrom(news)) this.#add(group[0]!, true);
      } else if (this.#coverage.touches(news)) {
        await this.#attribute(news, group, end);
      }
    }
  }

  #make(): Uint8Array {
    const { target } = this;
    const random = this.#random;
    const newest = random.below(NEWEST_EVERY) === 0;
    const from = newest ? this.#corpus.at(-1 - random.below(Math.min(8, this.#corpus.length))) : this.#short();
    const input = from ?? new Uint8Array(0);
    if (target.mutate !== undefined && random.below(2) === 0) return target.mutate(random, input);
    return mutate(random, input, random.pick(this.#corpus), target.dictionary ?? [], target.maxBytes);
  }

  /** One of the corpus, a short one rather than a long one: it is run faster, and a change in it does more. */
  #short(): Uint8Array {
    const [a, b] = [this.#random.pick(this.#corpus), this.#random.pick(this.#corpus)];
    return a.length <= b.length ? a : b;
  }

  /** Runs one input. Returns whether the target told something new. */
  async #one(input: Uint8Array): Promise<boolean> {
    this.#watchdog.begin(input);
    this.#running = input;
    const began = performance.now();
    try {
      const words = await this.target.run(input);
      this.target.check?.();
      if (this.#unproved.push(input) >= HELD_EVERY) await this.#proveHeld();
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- a rejection is told as it was
      if (this.#rejection !== undefined) throw this.#rejection;
      // A machine that is busy makes anything take long. Only then is processor time asked for, which is dear.
      if (performance.now() - began > SLOW_MS) await this.#proveFast(input);
      let news = false;
      for (const word of words ?? []) {
        if (this.#words.has(word)) continue;
        this.#words.add(word);
        news = true;
      }
      return news;
    } catch (error) {
      throw error instanceof Finding ? error : new Finding(this.target.name, input, error);
    } finally {
      this.#running = undefined;
      this.#watchdog.end();
    }
  }

  /** Runs an input again that has taken long. Throws where it was the processor that it took. */
  async #proveFast(input: Uint8Array): Promise<void> {
    const began = process.cpuUsage();
    await this.target.run(input);
    const { user, system } = process.cpuUsage(began);
    if (user + system > 1000 * SLOW_MS)
      throw new Error(`this input took ${(user + system) / 1000} ms of the processor`);
  }

  /** Throws where the inputs since the last look have left something behind; if it can be told, for the one that did. */
  async #proveHeld(): Promise<void> {
    const suspects = this.#unproved.splice(0);
    await turn();
    try {
      this.#held?.check();
    } catch (error) {
      for (const input of suspects) {
        await this.target.run(input);
        await turn();
        try {
          this.#held?.check();
        } catch (again) {
          throw new Finding(this.target.name, input, again);
        }
      }
      throw error;
    }
  }

  #add(input: Uint8Array, isNew: boolean): void {
    const key = Buffer.from(input).toString('base64');
    if (this.#known.has(key)) return;
    this.#known.add(key);
    this.#corpus.push(input);
    if (!isNew) return;
    this.#kept += 1;
    if (this.options.keep) appendToCorpus(this.options.corpus, input);
  }

  /** Leaves in the corpus only what is needed to reach what all of it reaches, short inputs first. */
  async minimize(): Promise<number> {
    const { target, options } = this;
    const inputs = readCorpus(options.corpus).sort((a, b) => a.length - b.length);
    const kept: Uint8Array[] = [];
    this.#coverage.start();
    try {
      for (const input of target.seeds) await this.#one(input);
      this.#coverage.look();
      for (const input of inputs) {
        const news = await this.#one(input);
        if (this.#coverage.look().size > 0 || news) kept.push(input);
      }
    } finally {
      this.#coverage.stop();
    }
    writeCorpus(options.corpus, kept);
    return kept.length;
  }
}
