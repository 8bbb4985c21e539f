/** Programs for X11 that people have on their desktops, whatever they draw with. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { blankPicture, encodePng } from '../../../src/frames/picture.js';
import type { Program } from '../program.js';
import { clicks, copies, does, drags, pastes, presses, starts, types } from '../steps.js';

/** A picture with a slope in it. */
function writePicture(path: string): void {
  const picture = blankPicture(300, 200);
  picture.pixels.forEach((_, i) => (picture.pixels[i] = 0x203040 + (i % 200) * 0x100));
  writeFileSync(path, encodePng(picture));
}

/** With what a commit's name depends on, the same for each run. */
const COMMITTER = {
  ...{ GIT_AUTHOR_NAME: 'A', GIT_AUTHOR_EMAIL: 'a@example.org', GIT_AUTHOR_DATE: '2026-01-01T00:00:00Z' },
  ...{ GIT_COMMITTER_NAME: 'A', GIT_COMMITTER_EMAIL: 'a@example.org', GIT_COMMITTER_DATE: '2026-01-01T00:00:00Z' },
};

export const x11Desktop: readonly Program[] = [
  {
    name: 'Emacs, X11',
    toolkit: 'Lucid, X11',
    package: 'emacs-lucid',
    needs: 'emacs-lucid',
    x11: true,
    command: () => ['emacs-lucid', '-Q', '--no-splash', '--eval', '(progn (blink-cursor-mode 0) (tool-bar-mode 0))'],
    steps: [
      // Whether it has seen the pointer at the start is by chance: it shows another picture of it then.
      does('starts', async desk => {
        await desk.shown(1);
        await desk.seat.glide(700, 500);
      }),
      types('typed here'),
      clicks(20, 10, 'menu opened'),
      presses('Escape', 'and closed'),
      pastes('Ctrl+y'),
      presses('Ctrl+a', 'to the beginning'),
      copies('Ctrl+k'),
    ],
  },
  {
    name: 'gvim, X11',
    toolkit: 'GTK 3, X11',
    package: 'vim-gtk3',
    needs: 'vim.gtk3',
    x11: true,
    command: () => ['vim.gtk3', '-g', '-f', '-u', 'NONE', '-n', '--cmd', 'set guicursor=a:blinkon0 shortmess+=I'],
    steps: [
      starts(),
      types('ityped here'),
      presses('Escape', 'as a command'),
      presses('Alt+f', 'menu opened'),
      presses('Escape', 'and closed'),
      drags([5, 60], [60, 60], 'letters marked'),
    ],
  },
  {
    name: 'MuPDF, X11',
    toolkit: 'own, X11',
    package: 'mupdf',
    needs: 'mupdf',
    x11: true,
    command: directory => ['mupdf', join(directory, 'picture.png')],
    prepare: directory => writePicture(join(directory, 'picture.png')),
    steps: [starts(), presses('Shift+=', 'enlarged'), presses('i', 'properties shown')],
  },
  {
    name: 'feh, X11',
    toolkit: 'Imlib 2, X11',
    package: 'feh',
    x11: true,
    command: directory => ['feh', join(directory, 'picture.png')],
    prepare: directory => writePicture(join(directory, 'picture.png')),
    steps: [
      starts(),
      clicks(400, 300, 'menu opened', 'right'),
      does('submenu opened', desk => desk.seat.glide(430, 310)),
      presses('Escape', 'and closed'),
      presses('f', 'screen filled'),
      presses('f', 'and left'),
    ],
  },
  {
    name: 'gitk, X11',
    toolkit: 'Tk, X11',
    package: 'gitk',
    x11: true,
    command: directory => ['sh', '-c', `cd '${join(directory, 'repository')}' && exec gitk`],
    prepare(directory) {
      const repository = join(directory, 'repository');
      const env = { ...process.env, ...COMMITTER };
      execFileSync('git', ['init', '-q', '-b', 'main', repository]);
      writeFileSync(join(repository, 'file'), 'a line\n');
      execFileSync('git', ['-C', repository, 'add', 'file']);
      execFileSync('git', ['-C', repository, 'commit', '-qm', 'first'], { env });
    },
    steps: [starts(), clicks(20, 10, 'menu opened'), presses('Escape', 'and closed'), presses('F5', 'read again')],
  },
  {
    name: 'Thunar, X11',
    toolkit: 'GTK 3, X11',
    package: 'thunar',
    x11: true,
    command: directory => ['thunar', directory],
    prepare: directory => writePicture(join(directory, 'picture.png')),
    steps: [
      starts(),
      presses('Alt+f', 'menu opened'),
      presses('Escape', 'and closed'),
      clicks(900, 500, 'context menu opened', 'right'),
      presses('Escape', 'and closed'),
    ],
  },
];
