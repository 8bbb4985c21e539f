/**
 * Which code ran, told by V8 itself: precise coverage by blocks, taken over the inspector from inside the process. Only
 * the product's modules count. Needs nothing installed; the price is that a look takes about a millisecond, so it is
 * taken once for many inputs.
 */
import { Session } from 'node:inspector';

/** The compiled modules of the product. */
const PRODUCT = /\/dist\/(src|compositor-glue)\//;

/** Characters of functions that ran for the first time. */
export type News = Map<string, Set<number>>;

export class Coverage {
  readonly #session = new Session();
  /** For every function the characters that ran, from its first one on. */
  readonly #ran = new Map<string, Uint8Array>();
  #characters = 0;

  /** Begins to count. What runs before does not. */
  start(): void {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  stop(): void {
    this.#session.disconnect();
  }

  /** Characters of compiled code that have run so far: a measure for people. */
  get characters(): number {
    return this.#characters;
  }

  /** What ran since the last look and never before; empty when there is nothing new. */
  look(): News {
    const news: News = new Map();
    this.#each((key, now) => {
      let ran = this.#ran.get(key);
      if (ran === undefined) this.#ran.set(key, (ran = new Uint8Array(now.length)));
      const places = new Set<number>();
      for (let at = 0; at < now.length; at++) {
        if (now[at] === 0 || ran[at] === 1) continue;
        ran[at] = 1;
        places.add(at);
      }
      if (places.size === 0) return;
      this.#characters += places.size;
      news.set(key, places);
    });
    return news;
  }

  /** Whether anything of `news` ran since the last look. */
  touches(news: News): boolean {
    let found = false;
    this.#each((key, now) => {
      for (const at of news.get(key) ?? []) found ||= now[at] === 1;
    });
    return found;
  }

  /** Takes what ran since the last look out of `news`. Returns whether there was anything of it. */
  takeFrom(news: News): boolean {
    let found = false;
    this.#each((key, now) => {
      const places = news.get(key);
      if (places === undefined) return;
      for (const at of places) if (now[at] === 1) found = places.delete(at);
      if (places.size === 0) news.delete(key);
    });
    return found;
  }

  /** Every function that ran since the last look: 1 for each of its characters that did. */
  #each(visit: (key: string, now: Uint8Array) => void): void {
    // In this process the answer comes within the call.
    this.#session.post('Profiler.takePreciseCoverage', (error, answer) => {
      if (error !== null) throw error;
      for (const { url, functions } of answer.result) {
        if (!PRODUCT.test(url)) continue;
        for (const { ranges, functionName } of functions) {
          const [whole] = ranges;
          if (whole === undefined) continue;
          const { startOffset: start, endOffset: end } = whole;
          const now = new Uint8Array(end - start);
          // Outer ranges come first; an inner one says what was different there.
          for (const range of ranges)
            now.fill(range.count > 0 ? 1 : 0, range.startOffset - start, range.endOffset - start);
          visit(`${url}:${functionName}:${start}`, now);
        }
      }
    });
  }
}
