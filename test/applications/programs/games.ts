/** SDL 2 and 3: the tests of the library, which draw, change the pointer, and lock it as games do; and games. */
import { join } from 'node:path';
import type { Program, Step } from '../program.js';
import { does, presses, starts, startsMoving } from '../steps.js';

const SDL2_TESTS = '/usr/libexec/installed-tests/SDL2';
const SDL3_TESTS = '/usr/libexec/installed-tests/SDL3';

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

function sdl2(name: string, steps: readonly Step[], more: readonly string[] = []): Program {
  const program = join(SDL2_TESTS, name);
  return {
    name: `SDL 2 ${name}`,
    toolkit: 'SDL 2, software',
    package: 'libsdl2-tests',
    needs: program,
    command: () => ['sh', '-c', 'cd "$1" && shift && exec "$@"', 'sh', SDL2_TESTS, program, ...more],
    env: { SDL_VIDEODRIVER: 'wayland', SDL_RENDER_DRIVER: 'software', SDL_AUDIODRIVER: 'dummy' },
    steps,
  };
}

function sdl3(name: string, steps: readonly Step[], more: readonly string[] = []): Program {
  const program = join(SDL3_TESTS, name);
  return {
    name: `SDL 3 ${name}`,
    toolkit: 'SDL 3, software',
    package: 'libsdl3-tests',
    needs: program,
    command: () => ['sh', '-c', 'cd "$1" && shift && exec "$@"', 'sh', SDL3_TESTS, program, ...more],
    env: { SDL_VIDEO_DRIVER: 'wayland', SDL_RENDER_DRIVER: 'software', SDL_AUDIO_DRIVER: 'dummy' },
    steps,
  };
}

const mouse: Step[] = [
  starts(),
  does('line drawn', async desk => {
    await desk.seat.move(500, 300);
    await desk.seat.press();
    await desk.seat.glide(700, 450);
    await desk.seat.release();
  }),
];

export const games: readonly Program[] = [
  sdl2('testrelative', lock),
  sdl2('testmouse', mouse),
  sdl2('testcustomcursor', [starts()]),
  sdl2('testviewport', [startsMoving()]),
  sdl2('testsprite2', [startsMoving()]),
  sdl3('testrelative', lock),
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
