/** The README's one command: what it leaves, and what it says when it cannot. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { OUTPUT, TERMINAL } from '../../src/demo/demo-desktop.js';
import { VIRTWL } from '../../src/demo/loopback-stack.js';
import { decodePng } from '../../src/frames/picture.js';
import { eventually } from '../eventually.js';
import { freePort } from '../free-port.js';
import { run, type Application } from '../loopback/applications.js';
import { RfbClient } from '../rfb-client.js';

t.setTimeout(180_000);

/** Runs it with temporary files of its own; everything that it leaves there is found. */
function demo(t: Test, args: readonly string[], path = process.env.PATH!): { directory: string; demo: Application } {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-demo-test-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  mkdirSync(join(directory, 'tmp'));
  // No session, and misleading leftovers of one: the demonstration must not care.
  const env = {
    PATH: path,
    HOME: directory,
    TMPDIR: join(directory, 'tmp'),
    XDG_RUNTIME_DIR: '/nonexistent',
    WAYLAND_DISPLAY: 'wayland-9',
  };
  return {
    directory,
    demo: run(t, [process.execPath, VIRTWL, 'demo', '--output', join(directory, 'out.png'), ...args], env),
  };
}

/** A PATH with nothing on it but these programs, and fakes given by their shell scripts. */
function pathWith(t: Test, programs: readonly string[], fakes: Readonly<Record<string, string>> = {}): string {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-path-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  for (const program of programs) {
    const found = execFileSync('/bin/sh', ['-c', 'command -v "$1"', 'sh', program], { encoding: 'utf8' }).trim();
    symlinkSync(found, join(directory, program));
  }
  for (const [name, script] of Object.entries(fakes)) {
    writeFileSync(join(directory, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(directory, name), 0o755);
  }
  return directory;
}

t.test('it leaves a picture with both windows on it', async t => {
  const { directory, demo: application } = demo(t, ['--frames', '10']);
  t.equal(await application.ended, 0, 'status 0');
  const said = application.output().toString();
  t.match(said, /frames: 10 sent, 10 checked, 10 shown as drawn, 0 wrong, 0 missing/);
  t.match(
    said,
    new RegExp(`picture: ${join(directory, 'out.png')}, ${OUTPUT.width}x${OUTPUT.height}`),
    'it says where',
  );
  t.match(said, /all of it worked.*: \d+\.\d s$/m, 'and how long it took');
  const picture = decodePng(readFileSync(join(directory, 'out.png')));
  t.match(picture, OUTPUT);
  const count = (holds: (colour: number) => boolean): number =>
    picture.pixels.filter(pixel => holds(pixel & 0xffffff)).length;
  t.ok(count(colour => colour === TERMINAL.background) > 100_000, 'the terminal is on it');
  t.ok(count(colour => Math.abs((colour >>> 16) - (colour & 0xff)) >= 129) > 300_000, 'so are the frames');
  t.same(readdirSync(join(directory, 'tmp')), [], 'nothing else is left');
});

t.test('it stays up to be looked at', async t => {
  const port = await freePort();
  const { directory, demo: application } = demo(t, ['--frames', '3', '--vnc', `127.0.0.1:${port}`]);
  await eventually('the address', () => application.output().includes(`look: vncviewer 127.0.0.1::${port}`), 90_000);
  const client = await RfbClient.connect(t, port);
  let picture = await client.capture();
  t.match(picture, OUTPUT);
  const halves = [0, 1].map(
    half => (pixel: number, at: number) =>
      (pixel & 0xffffff) === TERMINAL.background && Math.floor(((at % OUTPUT.width) * 2) / OUTPUT.width) === half,
  );
  // The second terminal, which has taken the place of the frames, is drawn a moment after its window is there.
  while (!halves.every(half => picture.pixels.filter(half).length > 100_000)) picture = await client.capture();
  t.pass('both terminals are shown');
  application.process.kill('SIGINT');
  t.equal(await application.ended, 0, 'status 0');
  t.match(application.output().toString(), /all of it worked, and is taken down again/);
  t.same(readdirSync(join(directory, 'tmp')), [], 'nothing is left');

  const vms = demo(t, ['--vms', '--vnc']).demo;
  t.equal(await vms.ended, 2, 'of VMs it shows nothing');
});

t.test('it can be interrupted', async t => {
  const { directory, demo: application } = demo(t, ['--frames', '100000']);
  await eventually('the picture', () => existsSync(join(directory, 'out.png')), 60_000);
  application.process.kill('SIGTERM');
  t.equal(await application.ended, 1);
  t.match(application.stderr, /interrupted; everything is taken down again/);
  t.same(readdirSync(join(directory, 'tmp')), [], 'nothing is left');
});

t.test('it says what is missing, or what went wrong', async t => {
  const missing = demo(t, [], pathWith(t, ['foot'])).demo;
  t.equal(await missing.ended, 1);
  t.match(missing.stderr, /not installed here: sway, swaymsg.*; apt-get install sway/);

  const broken = demo(
    t,
    [],
    `${pathWith(t, [], { sway: 'echo "no seat, no sway" >&2; exit 3' })}:${process.env.PATH}`,
  ).demo;
  t.equal(await broken.ended, 1);
  t.match(broken.stderr, /part "compositor" ended.*no seat, no sway.*sway ended with status 3/s);

  const crashing = demo(t, [], `${pathWith(t, [], { foot: 'echo "no fonts" >&2; exit 4' })}:${process.env.PATH}`);
  t.equal(await crashing.demo.ended, 1);
  t.match(crashing.demo.stderr, /foot ended with status 4 before there was the window of foot.*no fonts/s);
  t.same(readdirSync(join(crashing.directory, 'tmp')), [], 'nothing is left then either');

  const nowhere = demo(t, ['--output', '/nonexistent/demo.png']).demo;
  t.equal(await nowhere.ended, 1);
  t.match(nowhere.stderr, /the picture cannot be written: there is no directory \/nonexistent/);
});
