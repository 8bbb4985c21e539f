/** `virtwl frames --report`: what a bug report needs is in one directory, and nothing else is. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { VIRTWL } from '../../src/demo/host-parts.js';
import { environmentOf } from '../../src/frames/bug-report.js';
import { KeptTrace, MOST_TRACE_BYTES } from '../../src/frames/kept-trace.js';
import { decodePng } from '../../src/frames/picture.js';
import type { ReportJson } from '../../src/frames/report.js';
import { startSway } from '../compositors.js';
import { frames, PATIENCE } from './run-frames.js';

t.setTimeout(120_000);

const home = mkdtempSync(join(tmpdir(), 'virtwl-report-'));
t.teardown(() => rmSync(home, { recursive: true }));

t.test('of a run with a fault, on sway', async t => {
  const { display, process: sway } = await startSway(t, { width: 320, height: 240 });
  const directory = join(home, 'new', 'report');
  const args = ['--display', display, '--frames', '4', '--inject', 'pixel@3', '--timeout', PATIENCE];
  const { status, output } = await frames(...args, '--report', directory, '--format', 'tap');
  t.equal(status, 1);
  t.match(output, /^TAP version 14\n/);
  t.same(readdirSync(directory).sort(), [
    'captured.png',
    'difference.png',
    'environment.json',
    'frame.png',
    'report.json',
    'report.junit.xml',
    'report.tap',
    'report.txt',
    'trace.txt',
  ]);
  const read = (name: string): string => readFileSync(join(directory, name), 'utf8');
  t.equal(read('report.tap'), output, 'what was printed is there, too');
  t.match(JSON.parse(read('report.json')) as ReportJson, { pass: false, failures: [{ frame: 3, kind: 'pixels' }] });
  t.match(read('report.txt'), /^frame 3 /m);
  t.equal(decodePng(readFileSync(join(directory, 'difference.png'))).width, 3 * 320 + 16);
  t.match(JSON.parse(read('environment.json')), {
    command: ['virtwl', 'frames', ...args],
    versions: {
      virtwl: /^\d+\.\d+/,
      node: process.version,
      kernel: execFileSync('uname', ['-r'], { encoding: 'utf8' }).trim(),
    },
    compositor: { pid: sway.pid, name: 'sway', program: /\/sway$/ },
    globals: { drawn: /wl_compositor [4-9]/ },
  });

  const trace = read('trace.txt');
  const time = String.raw`^\[ *\d+\.\d{3}\] `;
  t.match(trace, new RegExp(`${time}draw#1 -> wl_display#1.get_registry\\(`, 'm'), 'from the first message');
  t.equal(trace.match(/ -> wl_surface#\d+\.commit\(\)$/gm)!.length >= 4, true, 'with all frames');
  t.match(trace, new RegExp(`${time}draw#1 <- zwlr_screencopy_frame_v1#\\d+\\.ready\\(`, 'm'), 'and what was answered');

  await t.test('it is not written over anything', async t => {
    const { status, errors, output } = await frames(...args, '--report', directory);
    t.equal(status, 1);
    t.match(errors, /--report.*new or empty/);
    t.equal(output, '', 'and the run does not begin');
  });

  await t.test('an empty directory will do', async t => {
    const empty = join(home, 'empty');
    mkdirSync(empty);
    const { status } = await frames('--display', display, '--frames', '2', '--timeout', PATIENCE, '--report', empty);
    t.equal(status, 0);
    t.same(
      readdirSync(empty)
        .filter(name => name.endsWith('.png'))
        .sort(),
      ['captured.png', 'frame.png'],
    );
  });
});

t.test('of a run that cannot begin there are the messages', async t => {
  const { display } = await startSway(t, { width: 320, height: 240 });
  const directory = join(home, 'nothing');
  const { status } = await frames('--display', display, '--output', 'nowhere', '--report', directory);
  t.equal(status, 1);
  t.match(readFileSync(join(directory, 'trace.txt'), 'utf8'), /<- wl_registry#\d+\.global\(/);
});

t.test('messages of a long run: its beginning and its end, and how many are left out', t => {
  const kept = new KeptTrace(40);
  const line = (i: number): string => `line ${String(i).padStart(4, '0')}`;
  const add = (from: number, to: number): void => {
    for (let i = from; i <= to; i++) kept.add(line(i));
  };
  add(1, 4);
  t.equal(kept.text, [1, 2, 3, 4].map(i => `${line(i)}\n`).join(''), 'all, as long as they fit');
  add(5, 5);
  t.equal(kept.text, `${line(1)}\n${line(2)}\n... left out: 1 ...\n${line(4)}\n${line(5)}\n`);
  add(6, 1000);
  t.equal(kept.text, `${line(1)}\n${line(2)}\n... left out: 996 ...\n${line(999)}\n${line(1000)}\n`);
  kept.add('x'.repeat(100));
  t.match(kept.text, /left out: 999 /, 'one that is too long itself is left out');

  const most = new KeptTrace();
  for (let bytes = 0; bytes < MOST_TRACE_BYTES; bytes += 1024) most.add('x'.repeat(1023));
  t.equal(most.text.length, MOST_TRACE_BYTES);
  t.notMatch(most.text, 'left out');
  most.add('');
  t.match(most.text, '... left out: 1 ...');
  t.end();
});

t.test('a path that is no directory is named', async t => {
  const file = join(home, 'file');
  writeFileSync(file, '');
  const { status, errors } = await frames('--display', '/nowhere', '--report', file);
  t.equal(status, 1);
  t.match(errors, /cannot write a report to .*file/);
  const twice = await frames('--display', '/nowhere', '--report', join(home, 'x'), '--out', home);
  t.equal(twice.status, 2, `${VIRTWL} takes one place for pictures`);
});

t.test('of the environment only what Wayland programs heed, and nothing that gives a right', async t => {
  const env = {
    WAYLAND_DISPLAY: 'wayland-3',
    WLR_RENDERER: 'pixman',
    VIRTWL_LOG: 'debug',
    WAYLAND_ACTIVATION_TOKEN: 'abc',
    XDG_ACTIVATION_TOKEN: 'def',
    AWS_SECRET_ACCESS_KEY: 'ghi',
    HOME: '/home/somebody',
    PATH: '/bin',
  };
  const made = { command: [], version: '1', drawn: [], captured: [], peer: undefined, env };
  const text = JSON.stringify(environmentOf(made));
  t.match(JSON.parse(text), {
    environment: { WAYLAND_DISPLAY: 'wayland-3', WLR_RENDERER: 'pixman', VIRTWL_LOG: 'debug' },
  });
  t.notMatch(text, /abc|def|ghi|somebody|"PATH"/);
});
