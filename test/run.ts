/**
 * The test driver. What passes through it: the test files, each run as `node FILE` in a session of its own, two at a
 * time; their TAP output, from which only the closing count is read; and what is no tap test: the making of the guests,
 * and, beside the VMs, the linters, the sanitizer run, the API reference, and the package as it is installed.
 *
 * A file fails when an assertion fails, when it ends otherwise than with status 0, when it runs longer than
 * {@link FILE_TIMEOUT_MS} ({@link VM_FILE_TIMEOUT_MS}), or when it leaves a process behind. tap's own runner knows the first two only, and rebuilds
 * itself for every choice of plugins.
 *
 * The last line is `N passed, N failed`, summed over assertions and checks.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, resolve } from 'node:path';

/** Two, since that is what the smallest machine we test on has cores; more would make waiting ends of tests starve. */
const JOBS = 2;
/** Longest run of one file in milliseconds. Ten times what the longest needs on a slow machine with both jobs busy. */
const FILE_TIMEOUT_MS = 300_000;
/** The same of a file that boots VMs: emulated guests are slow, and their processors are ours. */
const VM_FILE_TIMEOUT_MS = 1_500_000;
/**
 * Longest run of a check in milliseconds. The sanitizer run compiles the addon anew; guests are made of some hundred
 * Debian packages each, fetched from the network.
 */
const CHECK_TIMEOUT_MS = 1_800_000;
/** How long a killed process group, or the last children of a finished file, may take to vanish, in milliseconds. */
const GROUP_GRACE_MS = 3_000;
/** How often to tell what is still running, in milliseconds. */
const PROGRESS_MS = 30_000;
/** How long the output of a file that has ended is waited for. */
const HELD_OUTPUT_MS = 2_000;
/** Most output kept of one file, in characters: the end of it, since failures are told again there. */
const KEPT_OUTPUT = 200_000;
/** Most lines that are told of one failed assertion, and of all of a file, before its whole output. */
const FAILURE_LINES = 12;
const MOST_FAILURE_LINES = 60;
/**
 * Files of test/vm that run beside the others: short ones, without a driver of the guest's own. All others run one at a
 * time, the longest first: two of them leave QEMU so little time that its own races show.
 */
const BESIDE = [
  'boot',
  'both-devices',
  'demo',
  'device-connection',
  'gpu-suite',
  'guest-program',
  'hostile-device',
  'reboot',
  'suite',
];
const FIRST = 'stack';
/** The command, as the package has it. */
const VIRTWL = 'dist/bundle/cli/main.js';

interface Result {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Why it failed, beside failed assertions. */
  readonly complaints: readonly string[];
  readonly output: string;
}

/** The process groups that live now, by their leader's pid, with what they are. */
const running = new Map<number, string>();

function groupLives(pid: number): boolean {
  try {
    process.kill(-pid, 0);
    return true;
  } catch {
    return false;
  }
}

function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // Gone already.
  }
}

const pause = (ms: number) => new Promise<void>(done => setTimeout(done, ms));

async function groupEnds(pid: number): Promise<boolean> {
  for (let waited = 0; waited < GROUP_GRACE_MS; waited += 50) {
    if (!groupLives(pid)) return true;
    await pause(50);
  }
  return !groupLives(pid);
}

/** How many assertions tap counted: the sum of its closing `# { total: 4, pass: 3, fail: 1 }` lines. */
function countAssertions(output: string): { passed: number; failed: number; skipped: number; counted: boolean } {
  const count = { passed: 0, failed: 0, skipped: 0, counted: false };
  for (const [, list = ''] of output.matchAll(/^# \{ (total: [^}]*) \}$/gm)) {
    const numbers = new Map(list.split(', ').map(part => part.split(': ') as [string, string]));
    count.passed += Number(numbers.get('pass') ?? 0);
    count.failed += Number(numbers.get('fail') ?? 0);
    count.skipped += Number(numbers.get('skip') ?? 0) + Number(numbers.get('todo') ?? 0);
    count.counted = true;
  }
  return count;
}

/** Runs a command in a session of its own until it and all its children in that session have ended. */
async function run(
  label: string,
  command: string,
  args: readonly string[],
  timeoutMs: number,
  show: (text: string) => void = () => {},
): Promise<Result> {
  // tap's own limit of 30 s a file is about the machine, not about the test; ours is above.
  const env = { ...process.env, TAP_TIMEOUT: String(timeoutMs / 1000) };
  const child: ChildProcess = spawn(command, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'], env });
  let output = '';
  const keep = (text: string) => {
    output = (output + text).slice(-KEPT_OUTPUT);
    show(text);
  };
  child.stdout?.setEncoding('utf8').on('data', keep);
  child.stderr?.setEncoding('utf8').on('data', keep);

  const closed = new Promise<void>(resolve => child.once('close', () => resolve()));
  const complaints: string[] = [];
  const pid = child.pid;
  if (pid !== undefined) running.set(pid, label);
  const timer = setTimeout(() => {
    complaints.push(`still running after ${timeoutMs / 1000} s, killed`);
    if (pid === undefined) return;
    killGroup(pid, 'SIGTERM');
    setTimeout(() => killGroup(pid, 'SIGKILL'), GROUP_GRACE_MS).unref();
  }, timeoutMs);

  // 'exit', not 'close': a child left behind may hold our end of the pipe open for ever.
  const ended = await new Promise<string>(done => {
    child.once('error', error => done(`could not be started: ${error.message}`));
    child.once('exit', (status, signal) =>
      done(signal ? `ended by ${signal}` : status === 0 ? '' : `ended with status ${status}`),
    );
  });
  clearTimeout(timer);
  if (pid !== undefined) {
    if (!(await groupEnds(pid))) {
      complaints.push('left processes behind, killed');
      killGroup(pid, 'SIGKILL');
      await groupEnds(pid);
    }
    running.delete(pid);
  }
  // All that could write has ended, as far as is known: what it has written is there to be read.
  await Promise.race([closed, pause(HELD_OUTPUT_MS)]);
  child.stdout?.destroy();
  child.stderr?.destroy();

  const { passed, failed, skipped, counted } = countAssertions(output);
  if (ended !== '' && failed === 0 && complaints.length === 0) complaints.push(ended);
  if (!counted && ended === '') complaints.push('ran no assertion');
  return { passed, failed: failed + complaints.length, skipped, complaints, output };
}

/** The compiled test files below a file or directory, named as in the source tree or in dist. */
function testFiles(named: string): string[] {
  const path = resolve(named).startsWith(resolve('dist')) ? named : `dist/${named}`;
  const compiled = path.replace(/\.ts$/, '.js').replace(/\/$/, '');
  if (!existsSync(compiled)) throw new Error(`no such test: ${named} (looked for ${compiled})`);
  if (!statSync(compiled).isDirectory()) return [compiled];
  return readdirSync(compiled, { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.test.js'))
    .map(name => `${compiled}/${name}`)
    .sort();
}

const total = { passed: 0, failed: 0 };
/** What failed of all files, told once more in the end: who has the last lines of a log only finds it there. */
const allFailures: string[] = [];

function report(label: string, began: number, result: Result): void {
  total.passed += result.passed;
  total.failed += result.failed;
  const seconds = ((Date.now() - began) / 1000).toFixed(1).padStart(6);
  const counts = [`${result.passed} passed`];
  if (result.failed > 0) counts.push(`${result.failed} failed`);
  if (result.skipped > 0) counts.push(`${result.skipped} skipped`);
  console.log(`${result.failed > 0 ? 'FAIL' : '  ok'} ${seconds} s  ${label}  (${counts.join(', ')})`);
  if (result.failed > 0) {
    const told = failures(result.output);
    allFailures.push(`${label}:`, ...[...told, ...result.complaints].map(line => `    | ${line}`));
    for (const line of told) console.log(`    | ${line}`);
    console.log(withoutPassed(result.output).replace(/^/gm, '    | '));
    for (const complaint of result.complaints) console.log(`     ${label}: ${complaint}`);
  }
}

/** What failed, with the beginning of what is said of it: told first, since a whole stack's log may stand before it. */
function failures(output: string): string[] {
  const lines = output.split('\n');
  const told: string[] = [];
  for (const [i, line] of lines.entries()) {
    if (!/^\s*not ok \d/.test(line)) continue;
    const indent = line.search(/\S/);
    const after = lines.slice(i + 1, i + 1 + FAILURE_LINES);
    const end = after.findIndex(next => next.trim() === '...' || (next.trim() !== '' && next.search(/\S/) < indent));
    told.push(line, ...(end < 0 ? after : after.slice(0, end)));
    if (told.length > MOST_FAILURE_LINES) return [...told.slice(0, MOST_FAILURE_LINES), '[and more, see below]'];
  }
  return told;
}

/** Output without the lines of what passed, which would hide what did not. */
function withoutPassed(output: string): string {
  return output
    .split('\n')
    .filter(line => !/^\s*(ok \d.*)?$/.test(line))
    .join('\n');
}

async function stage(heading: string, work: () => Promise<void>): Promise<void> {
  const began = Date.now();
  console.log(`\n== ${heading}`);
  await work();
  console.log(`== ${heading}: ${((Date.now() - began) / 1000).toFixed(1)} s`);
}

async function runFiles(files: readonly string[], jobs: number, timeoutMs: number): Promise<void> {
  const waiting = [...files];
  const worker = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const began = Date.now();
      const label = file.replace(/^dist\//, '').replace(/\.test\.js$/, '');
      report(label, began, await run(label, process.execPath, ['--enable-source-maps', file], timeoutMs));
    }
  };
  await Promise.all(Array.from({ length: jobs }, worker));
}

/** A check passes or fails as a whole, unless it prints tap's counts. `show` gets what it prints, as it comes. */
async function runCheck(
  label: string,
  command: string,
  args: readonly string[],
  show?: (text: string) => void,
): Promise<void> {
  const began = Date.now();
  const result = await run(label, command, args, CHECK_TIMEOUT_MS, show);
  const silent = result.complaints.length === 1 && result.complaints[0] === 'ran no assertion';
  report(label, began, silent ? { ...result, passed: 1, failed: 0, complaints: [] } : result);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    for (const pid of running.keys()) killGroup(pid, 'SIGKILL');
    console.log(`\ninterrupted by ${signal}`);
    process.exit(1);
  });
}
setInterval(() => {
  if (running.size > 0) console.log(`     still running: ${[...running.values()].join(', ')}`);
}, PROGRESS_MS).unref();

const named = process.argv.slice(2);
const files = [...new Set((named.length > 0 ? named : ['test']).flatMap(testFiles))];
const inVms = files.filter(file => file.includes('/test/vm/'));
const onHost = files.filter(file => !inVms.includes(file));

if (onHost.length > 0) {
  await stage(`tests (${onHost.length} files, ${JOBS} at a time)`, () => runFiles(onHost, JOBS, FILE_TIMEOUT_MS));
}
/** QEMU, kernel, driver and disks: kept in the cache, and made anew where their inputs changed. */
async function makeGuests(): Promise<void> {
  await runCheck('guests', process.execPath, [VIRTWL, 'vm', 'build'], text => process.stdout.write(text));
}

/** What else there is to check: none of it has a guest. */
async function runChecks(): Promise<void> {
  if (named.length === 0) {
    // Compilers and linters are in no hurry, whereas a guest is. Sanitized tests have clocks of their own to watch.
    await runCheck('lint', 'nice', ['sh', 'src/setup/lint.sh']);
    await runCheck('typedoc', 'nice', ['node', 'node_modules/typedoc/bin/typedoc', '--treatWarningsAsErrors']);
    await runCheck('sanitizers', 'sh', ['test/bindings/sanitize.sh']);
    await runCheck('package', 'nice', ['sh', 'src/setup/package.sh']);
  }
  if (inVms.some(file => basename(file) === 'driver.test.js')) {
    await runCheck('driver lint', 'nice', ['sh', 'src/setup/lint-driver.sh']);
  }
}

if (inVms.length > 0 || named.length === 0) {
  await stage(`tests in real VMs (${inVms.length} files), and checks beside them`, async () => {
    if (inVms.length > 0) await makeGuests();
    const nameOf = (file: string): string => basename(file, '.test.js');
    const beside = inVms.filter(file => BESIDE.includes(nameOf(file)));
    const others = inVms.filter(file => !beside.includes(file));
    others.sort((a, b) => Number(nameOf(b) === FIRST) - Number(nameOf(a) === FIRST));
    await Promise.all([
      runFiles(others, 1, VM_FILE_TIMEOUT_MS),
      runFiles(beside, 1, VM_FILE_TIMEOUT_MS).then(runChecks),
    ]);
  });
}

if (allFailures.length > 0) console.log(`\n== failed\n${allFailures.join('\n')}`);
console.log(`\n${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
