/** Qt 5 and 6. */
import { join } from 'node:path';
import type { Program, Step } from '../program.js';
import { does, drags, outputChanges, presses, starts, types, typesToFile } from '../steps.js';

const env = { QT_QPA_PLATFORM: 'wayland', QT_QUICK_BACKEND: 'software', QT_STYLE_OVERRIDE: 'fusion' };
const QT5_EXAMPLES = '/usr/lib/x86_64-linux-gnu/qt5/examples/widgets';

function example(name: string, path: string, steps: readonly Step[], anywhere?: Program['anywhere']): Program {
  const program = join(QT5_EXAMPLES, path);
  return {
    name: `Qt 5 ${name}`,
    toolkit: 'Qt 5',
    package: 'qtbase5-examples',
    needs: program,
    command: () => [program],
    env,
    steps,
    ...(anywhere === undefined ? {} : { anywhere }),
  };
}

const menus: readonly Step[] = [
  starts(),
  presses('Alt+f', 'menu opened'),
  presses('Right', 'the next one'),
  presses('Escape', 'and closed'),
  does('context menu opened', desk => desk.seat.click(640, 300, 'right')),
];

/**
 * Starts, and types what makes the title another one. Qt 5 puts a title in its own title bar by the size of the font that it
 * is not drawn with, and rightly when the bar is drawn again. A window that gives itself a title while the compositor is about
 * to give it its size has its bar drawn once or more with that title, as it comes; with a title that comes later, once.
 */
const titleChanges = does('starts, text typed', async desk => {
  await desk.shown(1);
  await desk.seat.type('typed here');
});

export const qt: readonly Program[] = [
  example(
    'menus',
    'mainwindows/menus/menus',
    [
      ...menus,
      does('scale 1.5, and opened again', async desk => {
        await desk.seat.key('Escape');
        await desk.sway.message('output HEADLESS-1 scale 1.5');
        await desk.screen.still('the window at scale 1.5');
        await desk.seat.click(640, 300, 'right');
      }),
      does('and closed', async desk => {
        await desk.seat.key('Escape');
        await desk.sway.message('output HEADLESS-1 scale 1');
      }),
    ],
    // labwc 0.8 crashes when a program ends with a menu open that is connected to it directly.
    [...menus, presses('Escape', 'and closed')],
  ),
  example('calculator', 'widgets/calculator/calculator', [starts(), ...outputChanges()]),
  example('draggable icons', 'draganddrop/draggableicons/draggableicons', [
    starts(),
    drags([40, 40], [300, 300], 'icon dragged'),
  ]),
  {
    name: 'QTerminal',
    toolkit: 'Qt 5',
    package: 'qterminal',
    command: directory => ['qterminal', '-e', `sh -c "cat > '${directory}/typed'"`],
    env,
    steps: [starts(), typesToFile('typed here\n'), presses('Alt+Shift+f', 'keys pressed')],
  },
  {
    name: 'FeatherPad',
    toolkit: 'Qt 5 or 6',
    package: 'featherpad',
    command: () => ['featherpad', '--standalone'],
    env,
    steps: [starts(), types('typed here'), presses('Alt+f', 'menu opened'), presses('Escape', 'and closed')],
    // The first step is two: how often a title bar is drawn at the start is a matter of chance, directly as well.
    anywhere: [titleChanges, presses('Alt+f', 'menu opened'), presses('Escape', 'and closed')],
  },
  {
    name: 'Konsole',
    toolkit: 'Qt 5 or 6, KDE',
    package: 'konsole',
    command: () => ['konsole', '--nofork', '-e', '/bin/cat'],
    env,
    steps: [starts(), types('typed here\n')],
  },
  {
    name: 'KCalc',
    toolkit: 'Qt 5 or 6, KDE',
    package: 'kcalc',
    command: () => ['kcalc'],
    env,
    steps: [starts(), types('6*7\n'), presses('Alt+f', 'menu opened')],
  },
  {
    name: 'KWrite',
    toolkit: 'Qt 5 or 6, KDE',
    package: 'kwrite',
    command: () => ['kwrite'],
    env,
    steps: [starts(), types('typed here'), presses('Alt+f', 'menu opened'), presses('Escape', 'and closed')],
  },
  {
    name: 'Okular',
    toolkit: 'Qt 5 or 6, KDE',
    package: 'okular',
    command: () => ['okular', 'docs/demo.png'],
    env,
    steps: [starts(), presses('Alt+f', 'menu opened'), presses('Escape', 'and closed')],
  },
  {
    name: 'KeePassXC',
    toolkit: 'Qt 5',
    package: 'keepassxc',
    command: directory => ['keepassxc', '--config', join(directory, 'keepassxc.ini')],
    env,
    steps: [starts()],
  },
  {
    name: 'PCManFM-Qt',
    toolkit: 'Qt 5 or 6',
    package: 'pcmanfm-qt',
    // Where it finds no session bus, it takes itself for the second of its kind, and ends.
    command: () => ['dbus-run-session', '--', 'pcmanfm-qt', '/usr/share/X11'],
    needs: 'pcmanfm-qt',
    env,
    steps: [starts(), presses('Alt+f', 'menu opened'), presses('Escape', 'and closed')],
  },
  {
    name: 'Qt Designer',
    toolkit: 'Qt 6',
    package: 'designer-qt6',
    needs: '/usr/lib/qt6/bin/designer',
    command: () => ['/usr/lib/qt6/bin/designer'],
    env,
    steps: [
      starts(2),
      presses('Escape', 'dialog closed'),
      presses('Alt+f', 'menu opened'),
      presses('Escape', 'and closed'),
    ],
  },
  {
    name: 'qt6ct',
    toolkit: 'Qt 6',
    package: 'qt6ct',
    command: () => ['qt6ct'],
    env: { ...env, QT_QPA_PLATFORMTHEME: 'qt6ct' },
    steps: [
      starts(),
      does('list opened', desk => desk.seat.click(640, 130)),
      presses('Escape', 'and closed'),
      ...outputChanges(),
    ],
    anywhere: [starts(), does('list opened', desk => desk.seat.click(640, 130)), presses('Escape', 'and closed')],
  },
];
