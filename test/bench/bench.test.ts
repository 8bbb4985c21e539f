/** The whole of a short benchmark: every system, the tables, the files that it writes. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import type { Cell } from '../../src/bench/results.js';

const BENCH = fileURLToPath(new URL('../../src/bench/bench.js', import.meta.url));
const core = /\d+/.exec(/^Cpus_allowed_list:(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]!)![0];

t.setTimeout(170_000);

t.test('a short run of every system', { timeout: 160_000 }, async t => {
  execFileSync('sh', ['src/setup/bench-client.sh']);
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-test-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const [json, svg] = [join(directory, 'results.json'), join(directory, 'plot.svg')];
  const args = ['--seconds', '0.2', '--rounds', '1', '--modes', 'sync', 'small', 'start', '--sizes', '1920x1080'];
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [BENCH, ...args, '--pin', core, '--json', json, '--svg', svg],
    { env: { ...process.env, TMPDIR: directory } },
  );

  const { cells, machine } = JSON.parse(readFileSync(json, 'utf8')) as {
    cells: Cell[];
    machine: { placement: string };
  };
  const measured = (mode: string): string[] =>
    cells.filter(cell => cell.case.mode === mode && cell.rounds.length === 1).map(({ system }) => system);
  t.same(measured('small'), ['direct', 'floor', 'one-relay', 'waypipe', 'copy', 'warm', 'drawn'], 'all were measured');
  t.same(measured('start'), ['direct', 'floor', 'waypipe', 'copy', 'warm']);
  t.equal(machine.placement, `everything pinned to core ${core}`);
  t.match(stdout, `everything pinned to core ${core}`, 'which it says');

  const floor = cells.find(({ system, case: { mode } }) => system === 'floor' && mode === 'small')!.rounds[0]!.steady!;
  t.ok(floor.near!.cpu_us > 0 && floor.far!.cpu_us > 0, 'both relays took part');
  const warm = cells.find(({ system, case: { mode } }) => system === 'warm' && mode === 'small')!.rounds[0]!.steady!;
  t.ok(warm.near!.cpu_us > 0 && warm.far!.cpu_us > 0, 'and proxy and glue');
  t.match(stdout, /64x64 damage, warm +│at least 0.8x the floor +│[\d.]+x +│(met|MISSED)/);
  t.match(stdout, /500 clients, warm .*not measured/);
  t.match(readFileSync(svg, 'utf8'), /copied, warm: [\d.]+ of direct/);
});
