/** SDL 2 and 3: the tests of the library, which draw, change the pointer, and lock it as games do; and games. */
import { join } from 'node:path';
import type { Program, Step } from '../program.js';
import { does, drags, presses, starts, startsBlack, startsMoving } from '../steps.js';

const lock: Step[] = [
  starts(),
  does('pointer moved while it is locked', async desk => {
    await desk.seat.move(640, 400);
    for (let i = 0; i < 40; i++) await desk.seat.push(5, 3);
  }),
  does('and clicked', async desk => {
    await desk.seat.press();
    await desk.seat.release();
    await desk.seat.push(-20, -10);
  }),
];

/**
 * The tests of one version of the library, and how it is told what to use. With libdecor, which it takes where the compositor
 * draws no title bar, it draws nothing on labwc and cage, directly as well.
 */
function sdl(version: 2 | 3, environment: Readonly<Record<string, string>>) {
  const tests = `/usr/libexec/installed-tests/SDL${version}`;
  return (name: string, steps: readonly Step[], anywhere?: Program['anywhere']): Program => {
    const program = join(tests, name);
    return {
      name: `SDL ${version} ${name}`,
      toolkit: `SDL ${version}, software`,
      package: `libsdl${version}-tests`,
      needs: program,
      command: () => ['sh', '-c', 'cd "$1" && shift && exec "$@"', 'sh', tests, program],
      env: { SDL_RENDER_DRIVER: 'software', SDL_VIDEO_WAYLAND_ALLOW_LIBDECOR: '0', ...environment },
      steps,
      ...(anywhere === undefined ? {} : { anywhere }),
    };
  };
}

const sdl2 = sdl(2, { SDL_VIDEODRIVER: 'wayland', SDL_AUDIODRIVER: 'dummy' });
const sdl3 = sdl(3, { SDL_VIDEO_DRIVER: 'wayland', SDL_AUDIO_DRIVER: 'dummy' });

const mouse: Step[] = [startsBlack(), drags([500, 300], [700, 450], 'line drawn')];

export const games: readonly Program[] = [
  sdl2('testrelative', lock, true),
  sdl2('testmouse', mouse),
  sdl2('testcustomcursor', [starts()], true),
  sdl2('testviewport', [startsMoving()]),
  sdl2('testsprite2', [startsMoving()]),
  sdl3('testrelative', lock, true),
  sdl3('testmouse', mouse),
  sdl3('testsprite', [startsMoving()]),
  {
    name: 'LÖVE',
    toolkit: 'SDL 2, GL',
    package: 'love',
    command: () => ['love'],
    env: { SDL_VIDEODRIVER: 'wayland', SDL_AUDIODRIVER: 'dummy' },
    steps: [startsMoving()],
  },
  {
    name: 'Neverball',
    toolkit: 'SDL 2, GL',
    package: 'neverball',
    needs: '/usr/games/neverball',
    command: () => ['/usr/games/neverball'],
    env: { SDL_VIDEODRIVER: 'wayland', SDL_AUDIODRIVER: 'dummy' },
    steps: [startsMoving(), presses('Escape', 'key pressed')].map(step => ({ ...step, see: 'window' as const })),
  },
  {
    name: 'glmark2',
    toolkit: 'own, EGL',
    package: 'glmark2-wayland',
    command: () => ['glmark2-wayland', '-b', 'build:duration=1000', '-s', '400x300'],
    steps: [startsMoving()],
  },
];
