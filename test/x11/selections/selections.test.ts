/**
 * What an X11 program copies a Wayland program pastes, and the other way round, on a real sway and Xwayland with the tools
 * that people use: the clipboard and the primary selection, text and pictures, little and much.
 */
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { eventually } from '../../eventually.js';
import { comes, startDesk } from './x-desk.js';

/** More than a pipe holds, and than one part of a transfer. */
const MUCH = 300_001;
const LARGE_BYTES = 100 << 20;
/** What this process may grow by while that is carried over: far less than the whole, and room for the heap to breathe. */
const GROWTH_BYTES = 48 << 20;

const TEXT = Buffer.from('Grüße, 3 € für ein Fenster');

t.setTimeout(300_000);

t.test('clipboard and primary selection', async t => {
  const desk = await startDesk(t);
  const { start, output } = desk;

  for (const [name, x, wl] of [
    ['clipboard', 'clipboard', []],
    ['primary selection', 'primary', ['--primary']],
  ] as const) {
    await t.test(name, async t => {
      const xPaste = (...target: string[]) => output(['xclip', '-o', '-selection', x, ...target]);
      const wlPaste = (...type: string[]) => output(['wl-paste', '--no-newline', ...wl, ...type]);

      const copied = start(['wl-copy', '--foreground', ...wl], TEXT);
      t.same(await comes(() => xPaste('-t', 'UTF8_STRING'), TEXT), TEXT, 'text of a Wayland program, as UTF8_STRING');
      t.same(await xPaste('-t', 'text/plain;charset=utf-8'), TEXT, 'and by its mime type');
      t.same(
        await xPaste('-t', 'STRING'),
        Buffer.from('Grüße, 3 ? für ein Fenster', 'latin1'),
        'and in Latin 1, with ? for what that lacks',
      );
      t.same(await output(['xsel', x === 'primary' ? '-p' : '-b', '-o']), TEXT, 'xsel has it too');
      const targets = (await xPaste('-t', 'TARGETS')).toString().split('\n');
      for (const target of ['TARGETS', 'TIMESTAMP', 'MULTIPLE', 'UTF8_STRING', 'STRING', 'text/plain']) {
        t.ok(targets.includes(target), `${target} is among the targets`);
      }
      t.match((await xPaste('-t', 'TIMESTAMP')).toString(), /^[1-9]\d*\s*$/, 'since when, is told');
      t.equal((await xPaste('-t', 'image/png')).length, 0, 'what there is not is refused');

      const png = readFileSync('docs/demo.png');
      await desk.press();
      start(['xclip', '-i', '-quiet', '-selection', x, '-t', 'image/png'], png);
      t.ok(png.equals(await comes(() => wlPaste('--type', 'image/png'), png)), 'a picture of an X11 program');
      t.match((await wlPaste('--list-types')).toString(), /^image\/png$/m, 'offered as what it is');
      t.equal(await copied.ended, 0, 'the Wayland program that copied before is told that another has');

      await desk.press();
      start(['xclip', '-i', '-quiet', '-selection', x], TEXT);
      const plain = ['--type', 'text/plain;charset=utf-8'];
      t.same(await comes(() => wlPaste(...plain), TEXT), TEXT, 'text of an X11 program');
      t.same(await wlPaste('--type', 'text/plain'), TEXT, 'however it is asked for');
      await desk.press();
      start(['xclip', '-i', '-quiet', '-selection', x, '-t', 'STRING'], Buffer.from('Grüße', 'latin1'));
      const old = Buffer.from('Grüße');
      t.same(await comes(() => wlPaste(...plain), old), old, 'of one that knows Latin 1 only, as UTF-8');

      const picture = start(['wl-copy', '--foreground', ...wl, '--type', 'image/png'], png);
      t.ok(png.equals(await comes(() => xPaste('-t', 'image/png'), png)), 'a picture of a Wayland program');
      await picture.stop();
      t.equal((await comes(() => xPaste('-t', 'image/png'), Buffer.alloc(0))).length, 0, 'is gone with the program');
      await eventually('no transfer is left', () => desk.programs.transferCount === 0);
    });
  }

  await t.test('much', async t => {
    const bytes = randomBytes(MUCH);
    await desk.press();
    start(['xclip', '-i', '-quiet', '-selection', 'clipboard', '-t', 'application/octet-stream'], bytes);
    const paste = () => output(['wl-paste', '--no-newline', '--type', 'application/octet-stream']);
    t.ok(bytes.equals(await comes(paste, bytes)), 'of an X11 program');
    const source = start(['wl-copy', '--foreground', '--type', 'application/octet-stream'], bytes.subarray(1));
    const xPaste = () => output(['xclip', '-o', '-selection', 'clipboard', '-t', 'application/octet-stream']);
    t.ok(bytes.subarray(1).equals(await comes(xPaste, bytes.subarray(1))), 'of a Wayland program');
    await source.stop();
  });
});

t.test('100 MiB are carried over in parts, and never as a whole', async t => {
  const desk = await startDesk(t);
  const bytes = randomBytes(LARGE_BYTES);
  const sum = Buffer.from(`${createHash('sha256').update(bytes).digest('hex')}  -\n`);
  const file = join(t.testdir(), 'large');
  writeFileSync(file, bytes);
  const shell = (script: string): string[] => ['sh', '-c', script, 'sh', file];
  /** What this process has grown by, at most, until it is called. */
  const watch = (): (() => number) => {
    const before = process.memoryUsage().rss;
    let most = before;
    const timer = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 20);
    return () => {
      clearInterval(timer);
      return most - before;
    };
  };

  const type = 'application/octet-stream';
  desk.start(shell(`exec wl-copy --foreground --type ${type} < "$1"`));
  const xPaste = () => desk.output(shell(`xclip -o -selection clipboard -t ${type} | sha256sum`));
  let grown = watch();
  t.same((await comes(xPaste, sum, 120_000)).toString(), sum.toString(), 'from a Wayland program to an X11 program');
  let growth = grown();
  t.ok(growth < GROWTH_BYTES, `in ${growth} bytes more of memory`);

  await desk.press();
  desk.start(shell(`exec xclip -i -quiet -selection clipboard -t ${type} "$1"`));
  const wlPaste = () => desk.output(shell(`wl-paste --no-newline --type ${type} | sha256sum`));
  grown = watch();
  t.same((await comes(wlPaste, sum, 120_000)).toString(), sum.toString(), 'from an X11 program to a Wayland program');
  growth = grown();
  t.ok(growth < GROWTH_BYTES, `in ${growth} bytes more of memory`);
});
