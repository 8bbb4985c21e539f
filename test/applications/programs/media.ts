/** Players and viewers, offices and editors, and programs that capture the screen. */
import { join } from 'node:path';
import type { Program } from '../program.js';
import { does, edits, presses, rects, starts, types } from '../steps.js';

/** mpv with a picture, which stays. */
function mpv(name: string, toolkit: string, ...output: string[]): Program {
  return {
    name,
    toolkit,
    package: 'mpv',
    command: () => [
      ...[
        'mpv',
        '--no-config',
        ...output,
        '--osd-level=0',
        '--cursor-autohide=no',
        '--image-display-duration=inf',
        '--no-osc',
        'docs/demo.png',
      ],
    ],
    steps: [
      starts(),
      does(
        'screen filled',
        async desk => {
          await desk.seat.key('f');
          await desk.until('a window that fills the screen', async () =>
            (await desk.windows()).some(({ fullscreen }) => fullscreen),
          );
        },
        { facts: rects },
      ),
      presses('f', 'and left'),
      presses('6', 'keys pressed'),
    ],
    anywhere: [starts(), presses('6', 'keys pressed')],
  };
}

function office(name: string, kind: string, steps: Program['steps']): Program {
  return {
    name,
    toolkit: 'VCL, GTK 3',
    package: `libreoffice-${kind}`,
    needs: 'soffice',
    command: directory => [
      ...['soffice', `--${kind}`, '--norestore', '--nologo', '--nofirststartwizard'],
      `-env:UserInstallation=file://${join(directory, 'profile')}`,
    ],
    env: { SAL_USE_VCLPLUGIN: 'gtk3' },
    steps,
  };
}

/** The same on X11, by a toolkit of its own or GTK. */
function onX11(name: string, toolkit: string, plugin: string): Program {
  const steps = [starts(), presses('Escape', 'tip closed'), ...edits()];
  return { ...office(name, 'writer', steps), toolkit, x11: true, env: { SAL_USE_VCLPLUGIN: plugin } };
}

export const media: readonly Program[] = [
  mpv('mpv, wlshm', 'own, wl_shm', '--vo=wlshm'),
  mpv('mpv, gpu', 'own, EGL', '--vo=gpu', '--gpu-context=wayland'),
  office('LibreOffice Writer', 'writer', [
    starts(),
    presses('Escape', 'tip closed'),
    types('typed here'),
    presses('Alt+f', 'menu opened'),
    presses('Escape', 'and closed'),
  ]),
  office('LibreOffice Calc', 'calc', [
    starts(),
    presses('Escape', 'tip closed'),
    types('=6*7\n'),
    presses('Alt+f', 'menu opened'),
    presses('Escape', 'and closed'),
  ]),
  onX11('LibreOffice Writer, gen, X11', 'VCL, X11', 'gen'),
  onX11('LibreOffice Writer, X11', 'VCL, GTK 3, X11', 'gtk3'),
  {
    name: 'Emacs',
    toolkit: 'pgtk, GTK 3',
    package: 'emacs-pgtk',
    needs: '/usr/bin/emacs-pgtk',
    command: () => ['/usr/bin/emacs-pgtk', '-Q', '--eval', '(progn (blink-cursor-mode 0) (switch-to-buffer "text"))'],
    steps: [starts(), types('typed here\n'), presses('F10', 'menu opened'), presses('Escape', 'and closed')],
    anywhere: true,
  },
];
