/**
 * Fuzzing by hand: `node dist/test/fuzz/run.js [--inputs N] [--seconds N] [--seed N] [--no-keep] [--no-coverage]
 * [--minimize] [TARGET...]`. Without a name, all targets in turn. What reaches new code is kept in test/fuzz/corpus; an
 * input that breaks something is written to the directory for temporary files, and named.
 */
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { corpusOf, targets } from './targets.js';
import { Finding, fuzz, minimize } from './fuzzer.js';
import { shorten } from './shorten.js';

const PROGRESS_MS = 10_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    inputs: { type: 'string', default: '1000000' },
    seconds: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    'no-coverage': { type: 'boolean', default: false },
    'no-keep': { type: 'boolean', default: false },
    minimize: { type: 'boolean', default: false },
  },
});

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

for (const name of positionals)
  if (!targets.some(target => target.name === name)) throw new Error(`no target "${name}"`);
for (const target of targets.filter(({ name }) => positionals.length === 0 || positionals.includes(name))) {
  if (values.minimize) {
    console.log(`${target.name}: ${await minimize(target, corpusOf(target.name))} inputs in the corpus`);
    continue;
  }
  const began = Date.now();
  let told = began;
  const heap = (): string => `${mebibytes(process.memoryUsage().rss)} resident`;
  console.log(`${target.name}: seed ${values.seed}${values['no-coverage'] ? ', without coverage' : ''}`);
  try {
    const result = await fuzz(target, {
      corpus: corpusOf(target.name),
      seed: Number(values.seed),
      inputs: Number(values.inputs),
      ...(values.seconds !== undefined && { milliseconds: Number(values.seconds) * 1000 }),
      coverage: !values['no-coverage'],
      keep: !values['no-keep'],
      progress: (made, corpus, characters) => {
        if (Date.now() - told < PROGRESS_MS) return;
        told = Date.now();
        console.log(
          `${target.name}: ${made} inputs, ${corpus} in the corpus, ${characters} characters of code, ${heap()}`,
        );
      },
    });
    const seconds = ((Date.now() - began) / 1000).toFixed(0);
    console.log(
      `${target.name}: ${result.made} inputs and ${result.replayed} kept ones in ${seconds} s (seed ${values.seed}), ` +
        `${result.kept} new, ${result.characters} characters of code ran, ${heap()}, ` +
        `alive on the heap after a tenth ${mebibytes(result.live[0])}, at the end ${mebibytes(result.live[1])}`,
    );
  } catch (error) {
    if (!(error instanceof Finding)) throw error;
    const short = await shorten(target, error.input);
    const path = join(tmpdir(), `fuzz-${target.name}-${Date.now()}`);
    writeFileSync(path, short);
    writeFileSync(`${path}.whole`, error.input);
    console.log(`${error.message}\n${target.name}: FOUND, shortened to ${short.length} bytes, in ${path}:`);
    console.log(Buffer.from(short).toString('hex'));
    process.exitCode = 1;
  } finally {
    target.close?.();
  }
}
// A target's modules may hold something that keeps the loop going.
process.exit();
