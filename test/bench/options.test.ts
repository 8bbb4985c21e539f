/** What the benchmark can be told, and which cases that makes. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { caseName } from '../../src/bench/results.js';
import { benchOptions, casesOf } from '../../src/bench/options.js';

const BENCH = fileURLToPath(new URL('../../src/bench/bench.js', import.meta.url));
const names = (...args: Parameters<typeof casesOf>): string[] => casesOf(...args).map(caseName);
const told = (...args: readonly string[]): ReturnType<typeof benchOptions> => benchOptions(['node', 'bench', ...args]);

t.test('without a word, what takes long is left out', t => {
  t.equal(names().length, 8);
  t.notMatch(names().join(), /clients|beside/);
  t.same(names(['clients']), [
    ...['100 clients, 64x64 damage', '500 clients, 64x64 damage'],
    '500 clients, 64x64 damage, 10 buffers each',
  ]);
  t.equal(names(['all']).length, 12);
  t.end();
});

t.test('sizes are asked for where a mode has both', t => {
  t.same(names(['sync', 'full', 'flood'], ['1920x1080']), [
    ...['round trip', 'full damage, 1920x1080', 'round trip beside 3840x2160'],
  ]);
  t.end();
});

t.test('cores are numbers, one or two', t => {
  t.same(told('--pin', '0').pin, [0]);
  t.same(told('--pin', '0', '1').pin, [0, 1]);
  t.equal(told().pin, undefined);
  const wrong = (...args: readonly string[]): string =>
    spawnSync(process.execPath, [BENCH, ...args], { encoding: 'utf8', timeout: 20_000 }).stderr;
  t.match(wrong('--pin', '0', '1', '2'), /one core, or two/);
  t.match(wrong('--pin', 'all'), /number of a core/);
  t.match(wrong('--pin', '9999'), /pinning the benchmark to core 9999/, 'which there is not');
  t.match(wrong('--modes', 'fast'), /Allowed choices/);
  t.end();
});

t.test('in VMs each transport is measured, unless some are named', t => {
  t.same(told().transports, ['wl', 'gpu']);
  t.same(told('--transports', 'gpu').transports, ['gpu']);
  t.end();
});

t.test('the help says how long each mode takes', t => {
  const help = spawnSync(process.execPath, [BENCH, '--help'], { encoding: 'utf8' }).stdout;
  for (const mode of ['sync', 'full', 'small', 'newpool', 'start', 'flood', 'clients']) {
    t.match(help, new RegExp(`A round of one second[^]*${mode}\\b[^]*\\bs\\b`), mode);
  }
  t.end();
});
