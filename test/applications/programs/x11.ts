/** Programs for X11 by the oldest toolkits, Xt and what is made of it: directly, sway's own Xwayland shows them. */
import type { Program } from '../program.js';
import { clicks, does, pastes, presses, starts, startsMoving, types, typesToFile } from '../steps.js';

export const x11: readonly Program[] = [
  {
    name: 'xterm',
    toolkit: 'Xt, X11',
    package: 'xterm',
    x11: true,
    command: directory => [
      ...['xterm', '-fa', 'DejaVu Sans Mono', '-fs', '10', '-e', 'sh', '-c', `cat > '${directory}/typed'`],
    ],
    steps: [starts(), typesToFile('the quick brown fox\nJUMPS (over) the "lazy" dog!\n')],
    inTestCommand: true,
  },
  {
    name: 'xeyes',
    toolkit: 'Xt, X11',
    package: 'x11-apps',
    x11: true,
    command: () => ['xeyes', '+shape'],
    // Until the pointer moves, it is where the compositor has it, or nowhere.
    steps: [
      does('starts, pointer over it', async desk => {
        await desk.shown(1);
        await desk.seat.glide(500, 300);
      }),
    ],
    inTestCommand: true,
  },
  {
    name: 'xclock',
    toolkit: 'Xt, X11',
    package: 'x11-apps',
    x11: true,
    command: () => ['xclock'],
    steps: [startsMoving()],
    inTestCommand: true,
  },
  {
    name: 'xcalc',
    toolkit: 'Athena, X11',
    package: 'x11-apps',
    x11: true,
    command: () => ['xcalc'],
    steps: [starts(), types('6*7=', 'calculated')],
    inTestCommand: true,
  },
  {
    name: 'xedit',
    toolkit: 'Athena, X11',
    package: 'x11-apps',
    x11: true,
    command: () => ['xedit'],
    steps: [starts(), clicks(400, 500, 'clicked into the text'), types('typed here')],
    inTestCommand: true,
  },
  {
    name: 'editres',
    toolkit: 'Athena, X11',
    package: 'x11-utils',
    x11: true,
    command: () => ['editres'],
    steps: [
      starts(),
      does('menu opened', async desk => {
        await desk.seat.move(40, 12);
        await desk.seat.press();
      }),
      does('entry under the pointer', desk => desk.seat.glide(60, 60)),
      does('and closed', async desk => {
        await desk.seat.glide(600, 600);
        await desk.seat.release();
      }),
    ],
  },
  {
    name: 'xfig',
    toolkit: 'Xaw3d, X11',
    package: 'xfig',
    x11: true,
    command: () => ['xfig', '-geometry', '900x600'],
    // With a window for the fonts of LaTeX at the start, or without, by its version.
    steps: [{ ...starts(), act: desk => desk.title(/^Xfig \d/) }],
  },
  {
    name: 'NEdit',
    toolkit: 'Motif, X11',
    package: 'nedit',
    x11: true,
    command: () => ['nedit'],
    steps: [
      starts(),
      clicks(400, 300, 'clicked into the text'),
      types('typed here'),
      presses('Alt+f', 'menu opened'),
      presses('Escape', 'and closed'),
      pastes('Ctrl+v'),
    ],
  },
];
