/** Programs for X11 that draw by a toolkit of today: GTK 2 and 3, Qt 5 and 6, Java's Swing, Wine. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Program } from '../program.js';
import { clicks, copies, does, drags, edits, pastes, presses, starts, startsTwo, types } from '../steps.js';

/** A window with a menu, a list and a text, of which the text has the keyboard. */
const SWING = `
import java.awt.BorderLayout;
import javax.swing.*;

public class Swing {
    public static void main(String[] arguments) {
        SwingUtilities.invokeLater(() -> {
            JFrame frame = new JFrame("Swing");
            JTextArea text = new JTextArea("", 12, 40);
            text.getCaret().setBlinkRate(0);
            JMenu menu = new JMenu("First");
            menu.setMnemonic('f');
            menu.add("one entry");
            menu.add("another entry");
            JMenu more = new JMenu("more of them");
            more.add("the last entry");
            menu.add(more);
            JMenuBar bar = new JMenuBar();
            bar.add(menu);
            frame.setJMenuBar(bar);
            frame.add(new JComboBox<>(new String[] { "first choice", "second choice", "third choice" }), BorderLayout.NORTH);
            frame.add(new JScrollPane(text));
            frame.pack();
            frame.setDefaultCloseOperation(JFrame.EXIT_ON_CLOSE);
            frame.setVisible(true);
            text.requestFocusInWindow();
        });
    }
}
`;

/** Without what it offers to install, and without a line for each thing that it lacks. */
const WINE = { WINEDEBUG: '-all', WINEDLLOVERRIDES: 'mscoree=;mshtml=;winemenubuilder.exe=' };

/** What every editor is tried by first. */
const EDITING: Program['steps'] = [starts(), ...edits()];

function gimp(name: string, toolkit: string, program: string): Program {
  return {
    ...{ name, toolkit, package: 'gimp', needs: program, x11: true },
    command: () => [program, '--no-splash', '--new-instance'],
    steps: [
      does('starts', async desk => {
        await desk.title(/^GNU Image Manipulation Program/);
      }),
      presses('Alt+f', 'menu opened'),
      presses('Escape', 'and closed'),
      presses('Ctrl+n', 'dialog opened'),
      presses('Return', 'picture made'),
      presses('p', 'brush chosen'),
      drags([600, 400], [700, 480], 'line drawn'),
    ],
  };
}

/** Qt's example of menus, at `path` in its directory. */
function qtMenus(version: number, from: string, path: string): Program {
  const program = `/usr/lib/x86_64-linux-gnu/qt${version}/examples/widgets/mainwindows/menus/${path}`;
  return {
    ...{ name: `Qt ${version} menus, X11`, toolkit: `Qt ${version}, X11`, package: from, needs: program, x11: true },
    command: () => [program],
    env: { QT_STYLE_OVERRIDE: 'fusion' },
    steps: [
      starts(),
      presses('Alt+f', 'menu opened'),
      presses('Right', 'the next one'),
      presses('Escape', 'and closed'),
      clicks(640, 300, 'context menu opened', 'right'),
      presses('Escape', 'and closed'),
    ],
  };
}

export const x11Toolkits: readonly Program[] = [
  {
    name: 'gtk-demo, X11',
    toolkit: 'GTK 2, X11',
    package: 'gtk2.0-examples',
    x11: true,
    command: () => ['gtk-demo'],
    steps: [
      starts(),
      clicks(700, 200, 'clicked into the text'),
      presses('Shift+F10', 'context menu opened'),
      presses('Escape', 'and closed'),
    ],
  },
  gimp('GIMP 2, X11', 'GTK 2, X11', 'gimp-2.10'),
  gimp('GIMP 3, X11', 'GTK 3, X11', 'gimp-3.0'),
  {
    name: 'gtk3-demo textview, X11',
    toolkit: 'GTK 3, X11',
    package: 'gtk-3-examples',
    x11: true,
    command: () => ['gtk3-demo', '--run=textview'],
    // Its window belongs to the other one, and lies above that in the middle.
    steps: [
      startsTwo('Multiple Views'),
      clicks(600, 300, 'clicked into the text'),
      types('typed here'),
      presses('Shift+F10', 'context menu opened'),
      presses('Escape', 'and closed'),
      pastes('Ctrl+v', 2),
      presses('Ctrl+a', 'all marked'),
      copies('Ctrl+x', 2),
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
    steps: [...EDITING, presses('Ctrl+h', 'dialog opened')],
  },
  qtMenus(5, 'qtbase5-examples', 'menus'),
  qtMenus(6, 'qt6-base-examples', 'bin/menus'),
  {
    name: 'FeatherPad, X11',
    toolkit: 'Qt 5 or 6, X11',
    package: 'featherpad',
    x11: true,
    command: () => ['featherpad', '--standalone'],
    env: { QT_STYLE_OVERRIDE: 'fusion' },
    steps: EDITING,
  },
  {
    name: 'Java Swing, X11',
    toolkit: 'Swing, X11',
    package: 'openjdk-17-jdk-headless',
    needs: 'javac',
    x11: true,
    command: directory => ['java', join(directory, 'Swing.java')],
    // Else it waits for a frame of the window manager's, and keeps the size that it began with.
    env: { _JAVA_AWT_WM_NONREPARENTING: '1' },
    prepare: directory => writeFileSync(join(directory, 'Swing.java'), SWING),
    steps: [...EDITING, clicks(600, 36, 'list opened'), presses('Escape', 'and closed')],
  },
  {
    name: 'Notepad, X11',
    toolkit: 'Wine, X11',
    package: 'wine',
    x11: true,
    command: () => ['wine', 'notepad'],
    env: WINE,
    prepare(directory) {
      const env = { ...process.env, ...WINE, HOME: join(directory, 'home'), DISPLAY: '' };
      mkdirSync(env.HOME);
      execFileSync('wine', ['wineboot', '--init'], { env, stdio: 'ignore' });
      // It is ready when its server has written everything.
      execFileSync('wineserver', ['--wait'], { env, stdio: 'ignore' });
    },
    steps: [
      starts(),
      types('typed here'),
      presses('Alt+f', 'menu opened'),
      does('and closed', async desk => {
        for (let i = 0; i < 2; i++) await desk.seat.key('Escape');
      }),
      pastes('Ctrl+v'),
      presses('Ctrl+a', 'all marked'),
      copies('Ctrl+x'),
      presses('Ctrl+f', 'dialog opened'),
    ],
  },
];
