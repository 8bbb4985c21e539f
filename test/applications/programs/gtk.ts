/** GTK 3 and 4: the demonstrations of the toolkits, and programs that use them. */
import type { Program } from '../program.js';
import { clicks, presses, starts, types } from '../steps.js';

export const gtk: readonly Program[] = [
  {
    name: 'gtk3-demo textview',
    toolkit: 'GTK 3',
    package: 'gtk-3-examples',
    command: () => ['gtk3-demo', '--run=textview'],
    steps: [
      starts(),
      clicks(300, 120, 'clicked into the text'),
      types('typed here'),
      presses('Shift+F10', 'context menu opened'),
      presses('Escape', 'and closed'),
    ],
    inTestCommand: true,
  },
  {
    name: 'gtk3-demo menus',
    toolkit: 'GTK 3',
    package: 'gtk-3-examples',
    command: () => ['gtk3-demo', '--run=menus'],
    steps: [starts(), presses('F10', 'menu opened'), presses('Down', 'entry chosen'), presses('Right', 'submenu opened')],
  },
  {
    name: 'gtk4-demo menu',
    toolkit: 'GTK 4',
    package: 'gtk-4-examples',
    command: () => ['gtk4-demo', '--run=menu'],
    env: { GSK_RENDERER: 'cairo' },
    steps: [starts(), clicks(640, 400, 'context menu opened', 'right'), presses('Escape', 'and closed')],
  },
];
