/** Systems take turns in each case; who fails is left out of it, and its reason is kept. */
import t from 'tap';
import { measureAll, minutes, neverStarted } from '../../src/bench/rotation.js';
import type { System } from '../../src/bench/systems.js';
import { HD, round } from './measured.js';

const sync = { mode: 'sync', size: HD } as const;
const start = { mode: 'start', size: '256x256' } as const;

t.test('in turns, round after round', async t => {
  const turns: string[] = [];
  const system = (name: System['name'], more: Partial<System> = {}): System => ({
    ...{ name, places: {}, stop: () => Promise.resolve() },
    measure: what => {
      turns.push(`${name} ${what.mode}`);
      return Promise.resolve(round(what.mode, 5, 7, { start_ms: 1 }));
    },
    ...more,
  });
  const failing = system('waypipe', { measure: () => Promise.reject(new Error('it ended')) });
  const systems = [system('direct'), system('one-relay', { without: ['start'] }), failing];
  const lines: string[] = [];
  const say = (line: string): number => lines.push(line);
  const cells = await measureAll({ systems, cases: [sync, start], rounds: 2, seconds: 0.01, say });

  t.same(turns, [
    ...['direct sync', 'one-relay sync', 'direct start'],
    ...['direct sync', 'one-relay sync', 'direct start'],
  ]);
  const crowd = { mode: 'clients', size: '64x64', clients: 500 } as const;
  t.equal(minutes({ systems, cases: [sync], rounds: 4, seconds: 9 }), 2, 'four rounds of three, and a little');
  t.ok(minutes({ systems, cases: [crowd], rounds: 10, seconds: 1 }) > 3, 'many clients take longer');
  t.match(
    cells.map(({ case: { mode }, system: name, rounds, failure }) => [mode, name, rounds.length, failure]),
    [
      ['sync', 'direct', 2, undefined],
      ['sync', 'one-relay', 2, undefined],
      ['sync', 'waypipe', 0, 'it ended'],
      ['start', 'direct', 2, undefined],
      ['start', 'waypipe', 0, 'it ended'],
    ],
  );
  t.equal(lines[0], 'round 1  round trip: direct 7 us, one-relay 7 us, waypipe failed');
  t.match(cells[0]!.rounds[0]!.steady, { seconds: Number }, 'watched, where frames are steady');
  t.equal(cells[3]!.rounds[0]!.steady, undefined);
});

t.test('who has rested does the same for a while first, unmeasured', async t => {
  const seconds: number[] = [];
  const system: System = {
    ...{ name: 'warm', places: {}, stop: () => Promise.resolve(), settles: mode => (mode === 'sync' ? 3 : 0) },
    measure: (what, s) => {
      seconds.push(s);
      return Promise.resolve(round(what.mode, 5, 7, { start_ms: 1 }));
    },
  };
  const cells = await measureAll({ systems: [system], cases: [sync, start], rounds: 1, seconds: 0.01, say: () => {} });
  t.same(seconds, [3, 0.01, 0.01]);
  t.same(
    cells.map(({ rounds }) => rounds.length),
    [1, 1],
  );
  t.equal(minutes({ systems: [system], cases: [sync], rounds: 14, seconds: 0.01 }), 2, 'which takes its time too');
});

t.test('what did not start has failed in every case', t => {
  t.match(neverStarted('drawn', [sync, start], 'no such file'), [
    { case: sync, system: 'drawn', rounds: [], failure: 'no such file' },
    { case: start, system: 'drawn', rounds: [], failure: 'no such file' },
  ]);
  t.end();
});
