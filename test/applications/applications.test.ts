/**
 * The part of the suite of applications that the test command runs: programs that it installs anyway, each directly and
 * through virtwl, step by step. `npm run test:applications` runs all that are installed.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { compareProgram } from './compare.js';
import { Desk } from './desk.js';
import { programs } from './programs/index.js';

t.test('as good through virtwl as directly', { timeout: 280_000 }, async t => {
  const place = mkdtempSync(join(tmpdir(), 'virtwl-programs-'));
  t.teardown(() => rmSync(place, { recursive: true, force: true }));
  const directory = join(place, 'files');
  const direct = await Desk.open('directly', directory);
  t.teardown(() => direct.close());
  const remote = await Desk.open('through virtwl', directory);
  t.teardown(() => remote.close());
  for (const program of programs.filter(({ inTestCommand }) => inTestCommand)) {
    const { steps } = await compareProgram(program, direct, remote);
    for (const { name, outcome, detail } of steps) t.equal(outcome, 'same', `${program.name}: ${name} ${detail ?? ''}`);
    t.equal(steps.length, program.steps.length, `${program.name} is installed`);
  }
});
