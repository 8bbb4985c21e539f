/** Programs for X11, by toolkit: directly, they are shown by sway's own Xwayland. */
import type { Program } from '../program.js';
import { clicks, does, presses, starts, startsMoving, startsTwo, types, typesToFile } from '../steps.js';

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
    steps: [starts()],
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
    name: 'gtk3-demo textview, X11',
    toolkit: 'GTK 3, X11',
    package: 'gtk-3-examples',
    x11: true,
    command: () => ['gtk3-demo', '--run=textview'],
    steps: [
      startsTwo('Multiple Views'),
      clicks(300, 120, 'clicked into the text'),
      types('typed here'),
      presses('Shift+F10', 'context menu opened'),
      presses('Escape', 'and closed'),
    ],
  },
  {
    name: 'gtk3-demo menus, X11',
    toolkit: 'GTK 3, X11',
    package: 'gtk-3-examples',
    x11: true,
    command: () => ['gtk3-demo', '--run=menus'],
    steps: [
      startsTwo('Menus'),
      presses('F10', 'menu opened'),
      presses('Down', 'entry chosen'),
      presses('Right', 'submenu opened'),
      presses('Escape', 'submenu closed'),
    ],
  },
  {
    name: 'Mousepad, X11',
    toolkit: 'GTK 3, X11',
    package: 'mousepad',
    x11: true,
    command: () => ['mousepad', '--disable-server'],
    steps: [
      starts(),
      types('typed here'),
      presses('Alt+f', 'menu opened'),
      presses('Escape', 'and closed'),
      presses('Control+o', 'dialog opened'),
    ],
  },
  {
    name: 'xfig',
    toolkit: 'Xaw3d, X11',
    package: 'xfig',
    x11: true,
    command: () => ['xfig', '-geometry', '900x600'],
    steps: [starts()],
  },
];
