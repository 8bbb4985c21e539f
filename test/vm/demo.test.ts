/** The README's command for two real VMs: what it leaves, and that it takes everything down. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { OUTPUT, TERMINAL } from '../../src/demo/demo-desktop.js';
import { VIRTWL } from '../../src/demo/loopback-stack.js';
import { decodePng } from '../../src/frames/picture.js';
import { run } from '../loopback/applications.js';

t.setTimeout(590_000);

t.test('it leaves a picture, taken inside the compositor VM, with both windows of the other VM on it', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-demo-vms-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const own = join(directory, 'tmp');
  mkdirSync(own);
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
  const env = { PATH: process.env.PATH!, HOME: directory, XDG_CACHE_HOME: cache, TMPDIR: own };
  const demo = run(
    t,
    [process.execPath, VIRTWL, 'demo', '--vms', '--frames', '5', '--output', join(directory, 'out.png')],
    env,
  );
  const status = await demo.ended;
  t.equal(status, 0, demo.stderr);
  const said = demo.output().toString();
  t.match(said, /frames: 5 sent, 5 checked, 5 shown as drawn, 0 wrong, 0 missing/);
  t.match(said, /picture, taken inside the compositor VM: .*\/out\.png/, 'it says where');
  t.match(said, /all of it worked, and is taken down again: \d+\.\d s$/m);
  const picture = decodePng(readFileSync(join(directory, 'out.png')));
  t.match(picture, OUTPUT);
  const count = (holds: (colour: number) => boolean): number =>
    picture.pixels.filter(pixel => holds(pixel & 0xffffff)).length;
  t.ok(count(colour => colour === TERMINAL.background) > 100_000, 'the terminal is on it');
  t.ok(count(colour => Math.abs((colour >>> 16) - (colour & 0xff)) >= 129) > 300_000, 'so are the frames');
  t.same(readdirSync(own), [], 'nothing else is left');
});
