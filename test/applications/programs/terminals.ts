/** Terminals, and small programs that draw for themselves. */
import { foot } from '../../loopback/applications.js';
import type { Program } from '../program.js';
import { outputChanges, presses, starts, startsMoving, types, typesToFile } from '../steps.js';

/** What is typed into a terminal's `cat`. */
const LINES = 'the quick brown fox\nJUMPS (over) the "lazy" dog!\n';

export const terminals: readonly Program[] = [
  {
    name: 'foot',
    toolkit: 'own, wl_shm',
    package: 'foot',
    command: directory => foot('--override=font=DejaVu Sans Mono:size=10', 'sh', '-c', `cat > '${directory}/typed'`),
    steps: [starts(), typesToFile(LINES)],
    inTestCommand: true,
    anywhere: true,
  },
  {
    name: 'foot, outputs',
    toolkit: 'own, wl_shm',
    package: 'foot',
    command: () => foot('--override=font=DejaVu Sans Mono:size=10', 'sh', '-c', 'seq 1 20; exec sleep 10000'),
    steps: [starts(), ...outputChanges()],
  },
  {
    name: 'weston-terminal',
    toolkit: 'cairo, wl_shm',
    package: 'weston',
    command: () => ['weston-terminal', '--shell=/bin/cat'],
    steps: [starts(), types('hello there\n')],
    inTestCommand: true,
  },
  {
    name: 'weston-dnd',
    toolkit: 'cairo, wl_shm',
    package: 'weston',
    command: () => ['weston-dnd'],
    steps: [startsMoving()],
  },
  {
    name: 'kitty',
    toolkit: 'own, EGL',
    package: 'kitty',
    command: directory => [
      ...[
        'kitty',
        '--config=NONE',
        '-o',
        'cursor_blink_interval=0',
        '-o',
        'mouse_hide_wait=0',
        '-o',
        'font_family=DejaVu Sans Mono',
      ],
      ...[
        '-o',
        'update_check_interval=0',
        '-o',
        'linux_display_server=wayland',
        'sh',
        '-c',
        `cat > '${directory}/typed'`,
      ],
    ],
    steps: [starts(), typesToFile(LINES)],
    anywhere: true,
  },
  {
    name: 'alacritty',
    toolkit: 'winit, EGL',
    package: 'alacritty',
    command: directory => [
      ...['alacritty', '-o', 'font.normal.family=DejaVu Sans Mono', '-e', 'sh', '-c', `cat > '${directory}/typed'`],
    ],
    steps: [starts(), typesToFile(LINES)],
  },
  {
    name: 'imv',
    toolkit: 'own, EGL',
    package: 'imv',
    needs: 'imv-wayland',
    command: () => ['imv-wayland', 'docs/demo.png'],
    steps: [starts(), presses('i', 'zoomed'), presses('d', 'overlay shown')],
  },
];
