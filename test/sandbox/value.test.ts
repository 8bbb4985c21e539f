/** What a confined process is told by the one outside: its value, whole, whatever its size, and how its engine is to run. */
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { engineFlags } from '../../src/sandbox/launcher.js';
import { Confined } from './confined-process.js';

/** Milliseconds, for a machine that is busy with other things. */
t.setTimeout(240_000);

const PROCESS = fileURLToPath(new URL('value-process.js', import.meta.url));
const FLAGS = ['--heap-growing-percent=30', '--max-semi-space-size=4', '--stack-size=900'];

// One argument or variable can have 128 KiB.
for (const size of [1, 1024 * 1024]) {
  t.test(`a value of ${size} characters and more`, async t => {
    const confined = new Confined(t, [...FLAGS, '--no-warnings', PROCESS, 'tell', String(size)], {
      env: { ...process.env, TZ: 'Asia/Kolkata' },
    });
    t.equal(await confined.ended, 0, confined.stderr);
    t.same(JSON.parse(confined.stdout), {
      ...{ whole: true, nested: [{ a: 1 }], again: 'EBADF', flags: FLAGS, tz: 'Asia/Kolkata' },
    });
  });
}

t.test('flags of the heap and the stack go along; what names files, ports or modules does not', async t => {
  t.same(engineFlags(FLAGS), FLAGS);
  t.same(engineFlags(['--max_old_space_size=100']), ['--max_old_space_size=100']);
  for (const flag of [
    '--import',
    './x.js',
    '--import=./x.js',
    '--inspect=0',
    '--heapsnapshot-signal=SIGUSR2',
    '-e',
    '--test',
  ]) {
    t.same(engineFlags([flag]), [], flag);
  }
});

t.test('a question to a confined process that does not listen is given up, and that is said', async t => {
  const confined = new Confined(t, [PROCESS, 'deaf', '60000']);
  const inner = await confined.says('here');
  for (let count = 0; count < 5; count++) confined.process.kill('SIGUSR2');
  await confined.says('the confined process does not answer SIGUSR2: it has not come to catch it in 300 ms');
  process.kill(inner, 'SIGKILL');
  t.equal(await confined.ended, 128 + 9);
});
