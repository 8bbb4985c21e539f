/** GTK 3 and 4: the demonstrations of the toolkits, and programs that use them. */
import type { Program } from '../program.js';
import { clicks, does, drags, outputChanges, presses, starts, startsTwo, types } from '../steps.js';

export const gtk: readonly Program[] = [
  {
    name: 'gtk3-demo textview',
    toolkit: 'GTK 3',
    package: 'gtk-3-examples',
    command: () => ['gtk3-demo', '--run=textview'],
    steps: [
      startsTwo('Multiple Views'),
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
    steps: [
      startsTwo('Menus'),
      presses('F10', 'menu opened'),
      presses('Down', 'entry chosen'),
      presses('Right', 'submenu opened'),
    ],
  },
  {
    name: 'gtk4-demo menu',
    toolkit: 'GTK 4',
    package: 'gtk-4-examples',
    command: () => ['gtk4-demo', '--run=menu'],
    env: { GSK_RENDERER: 'cairo' },
    // Whether the first entry is chosen at once depends on when the pointer is over it.
    steps: [
      starts(),
      does('context menu opened', async desk => {
        await desk.seat.click(640, 400, 'right');
        await desk.seat.glide(640, 451);
      }),
      presses('Escape', 'and closed'),
    ],
  },
  {
    name: 'gtk4-demo sizegroup',
    toolkit: 'GTK 4',
    package: 'gtk-4-examples',
    command: () => ['gtk4-demo', '--run=sizegroup'],
    env: { GSK_RENDERER: 'cairo' },
    steps: [starts(), ...outputChanges()],
  },
  {
    name: 'gtk3-demo sizegroup',
    toolkit: 'GTK 3',
    package: 'gtk-3-examples',
    command: () => ['gtk3-demo', '--run=sizegroup'],
    steps: [starts(), ...outputChanges()],
  },
  {
    name: 'Mousepad',
    toolkit: 'GTK 3',
    package: 'mousepad',
    command: () => ['mousepad', '--disable-server'],
    steps: [starts(), types('typed here'), presses('Alt+f', 'menu opened'), presses('Escape', 'and closed')],
    anywhere: true,
  },
  {
    name: 'gedit',
    toolkit: 'GTK 3',
    package: 'gedit',
    command: () => ['gedit', '--standalone'],
    steps: [starts(), types('typed here'), presses('F10', 'menu opened'), presses('Escape', 'and closed')],
  },
  {
    name: 'GNOME Text Editor',
    toolkit: 'GTK 4, libadwaita',
    package: 'gnome-text-editor',
    command: () => ['gnome-text-editor', '--standalone'],
    env: { GSK_RENDERER: 'cairo' },
    // No letter reaches below its line: where GTK 4.18 draws into the buffer that it drew last, it cuts those in the title.
    steps: [starts(), types('seen here'), presses('F10', 'menu opened')],
    anywhere: true,
  },
  {
    name: 'GNOME Calculator',
    toolkit: 'GTK 4, libadwaita',
    package: 'gnome-calculator',
    command: () => ['gnome-calculator'],
    env: { GSK_RENDERER: 'cairo' },
    steps: [starts(), types('6*7\n'), presses('F10', 'menu opened')],
    anywhere: true,
  },
  {
    name: 'Zathura',
    toolkit: 'GTK 3',
    package: 'zathura',
    command: () => ['zathura'],
    steps: [starts(), types(':help'), presses('Escape', 'and closed')],
  },
  {
    name: 'Xournal++',
    toolkit: 'GTK 3',
    package: 'xournalpp',
    command: () => ['xournalpp'],
    steps: [starts(), drags([500, 400], [700, 500], 'line drawn')],
  },
  {
    name: 'Inkscape',
    toolkit: 'GTK 3',
    package: 'inkscape',
    command: () => ['inkscape'],
    steps: [starts()],
  },
  {
    name: 'GIMP',
    toolkit: 'GTK 3',
    package: 'gimp',
    // Before version 3 it is a program for X.
    needs: 'gimp-3.0',
    command: () => ['gimp-3.0', '--no-splash'],
    steps: [starts()],
  },
  {
    name: 'Thunar',
    toolkit: 'GTK 3',
    package: 'thunar',
    command: directory => ['thunar', directory],
    steps: [starts(), presses('Alt+f', 'menu opened'), presses('Escape', 'and closed')],
  },
  {
    name: 'yad',
    toolkit: 'GTK 3',
    package: 'yad',
    command: () => ['yad', '--entry', '--text=a question'],
    steps: [starts(), types('an answer')],
  },
];
