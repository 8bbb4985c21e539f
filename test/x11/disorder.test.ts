/**
 * X11 programs that do anything at any time with windows and menus, on real compositors: what crosses on the way costs no X
 * server. By hand: VIRTWL_X11_SEED for another order, VIRTWL_X11_DEEDS for more of it.
 */
import t, { type Test } from 'tap';
import { internAtoms } from '../../src/x11/atoms.js';
import { clientMessage } from '../../src/x11/events.js';
import {
  changeProperty,
  changeWords,
  configureWindow,
  destroyWindow,
  EventMask,
  mapWindow,
  sendEvent,
  unmapWindow,
} from '../../src/x11/requests.js';
import { request, u16, u32 } from '../../src/x11/wire.js';
import { startCommand, startSway } from '../compositors.js';
import { Random } from '../wayland/random.js';
import { connectTo, makeWindow, settled } from './x-client.js';
import { startX11 } from './x-server.js';

const SEED = Number(process.env.VIRTWL_X11_SEED ?? 14);
const DEEDS = Number(process.env.VIRTWL_X11_DEEDS ?? 400);

/** Windows at once; the oldest are destroyed then. */
const MOST_WINDOWS = 60;

const NAMES = [
  ...['_NET_WM_STATE', '_NET_WM_STATE_FULLSCREEN', '_NET_WM_STATE_MAXIMIZED_HORZ', '_NET_WM_STATE_MODAL'],
  ...['_NET_ACTIVE_WINDOW', '_MOTIF_WM_HINTS', '_NET_WM_WINDOW_TYPE', '_NET_WM_WINDOW_TYPE_DIALOG'],
  ...['_NET_WM_WINDOW_TYPE_SPLASH', '_NET_WM_WINDOW_TYPE_TOOLTIP', '_NET_WM_MOVERESIZE'],
] as const;
/** Predefined atoms. */
const [ATOM, STRING, WINDOW, WM_NAME, WM_NORMAL_HINTS, WM_TRANSIENT_FOR] = [4, 31, 33, 39, 40, 68];
/** Sides of windows as programs may say them, up to the largest of X11 and what is none. */
const SIDES = [0, 1, 2, 3, 5, 15, 50, 100, 101, 200, 300, 32_767, 65_535, 0x7fff_ffff, 0xffff_ffff];
const TOGGLE = 2;
const TO_ROOT = EventMask.substructureNotify | EventMask.substructureRedirect;
const [WIDTH, HEIGHT] = [1000, 700];

const setUnmanaged = (id: number, unmanaged: boolean): Uint8Array =>
  request(2, 0, u32(id), u32(0x200), u32(Number(unmanaged)));
/** Another colour, which is drawn. */
const paint = (id: number, colour: number): Uint8Array[] => [
  request(2, 0, u32(id), u32(0x2), u32(colour)),
  request(61, 0, u32(id), ...[0, 0, 0, 0].map(u16)),
];

// Of four runs, each with a compositor and an X server of its own.
t.setTimeout(200_000 + DEEDS * 50);

/** Two programs, each with windows of its own and words about those of the other. */
async function disorder(t: Test, env: NodeJS.ProcessEnv, seed: number, args: readonly string[] = []): Promise<void> {
  const server = await startX11(t, env, args);
  const programs = [
    await connectTo(server.display, server.authority),
    await connectTo(server.display, server.authority),
  ] as const;
  t.teardown(() => programs.forEach(({ x }) => x.close()));
  const [{ x, setup }] = programs;
  const atoms = await new Promise<Readonly<Record<string, number>>>(known => internAtoms(x, NAMES, known));
  const STATES = [
    ...[atoms._NET_WM_STATE_FULLSCREEN!, atoms._NET_WM_STATE_MAXIMIZED_HORZ!],
    atoms._NET_WM_STATE_MODAL!,
  ] as const;
  const TYPES = [
    ...[atoms._NET_WM_WINDOW_TYPE_DIALOG!, atoms._NET_WM_WINDOW_TYPE_SPLASH!],
    atoms._NET_WM_WINDOW_TYPE_TOOLTIP!,
  ] as const;
  const random = new Random(seed);
  const one = <T>(of: readonly T[]): T => of[random.below(of.length)]!;
  interface Made {
    readonly id: number;
    readonly x: typeof x;
    unmanaged: boolean;
  }
  const windows: Made[] = [];
  const makes = (): void => {
    const { x } = one(programs);
    const unmanaged = random.below(3) > 0;
    const id = makeWindow(x, setup.root, unmanaged, {
      ...{ x: random.below(900), y: random.below(600), width: 20 + random.below(300), height: 20 + random.below(200) },
      colour: random.below(0xffffff),
    });
    if (windows.length > 0 && random.below(3) === 0) {
      x.send(changeWords(id, WM_TRANSIENT_FOR, WINDOW, [one(windows).id]));
    }
    x.send(mapWindow(id));
    windows.push({ id, x, unmanaged });
  };
  const deeds: readonly ((window: Made) => Uint8Array | readonly Uint8Array[])[] = [
    ({ id }) => unmapWindow(id),
    ({ id }) => mapWindow(id),
    ({ id }) => mapWindow(id),
    ({ id }) => configureWindow(id, { x: random.below(900), y: random.below(600) }),
    ({ id }) => configureWindow(id, { width: 1 + random.below(300), height: 1 + random.below(300) }),
    ({ id }) => changeProperty(id, WM_NAME, STRING, 8, Buffer.from(`title ${random.below(1000)}`)),
    ({ id }) => changeWords(id, WM_TRANSIENT_FOR, WINDOW, [one(windows).id]),
    ({ id }) => sendEvent(setup.root, clientMessage(id, atoms._NET_WM_STATE!, [TOGGLE, one(STATES)]), TO_ROOT),
    ({ id }) => sendEvent(setup.root, clientMessage(id, atoms._NET_ACTIVE_WINDOW!, []), TO_ROOT),
    // Flags of all bounds, steps and aspects: any of them.
    ({ id }) => {
      const words = Array.from({ length: 18 }, (_, i) => (i === 0 ? random.below(1024) : one(SIDES)));
      return changeWords(id, WM_NORMAL_HINTS, WM_NORMAL_HINTS, words);
    },
    ({ id }) => changeWords(id, atoms._NET_WM_WINDOW_TYPE!, ATOM, [one(TYPES)]),
    ({ id }) => changeWords(id, atoms._NET_WM_STATE!, ATOM, [one(STATES), one(STATES)]),
    ({ id }) => changeWords(id, atoms._MOTIF_WM_HINTS!, atoms._MOTIF_WM_HINTS!, [2, 0, random.below(2), 0, 0]),
    ({ id }) => configureWindow(id, { width: one(SIDES.slice(1, 11)), height: one(SIDES.slice(1, 11)) }),
    ({ id }) =>
      sendEvent(setup.root, clientMessage(id, atoms._NET_WM_MOVERESIZE!, [5, 5, random.below(12), 1]), TO_ROOT),
    () => windows.slice(-30).flatMap(({ id }) => paint(id, random.below(0xffffff))),
    window => {
      window.unmanaged = !window.unmanaged;
      return [unmapWindow(window.id), setUnmanaged(window.id, window.unmanaged), mapWindow(window.id)];
    },
  ];
  for (let i = 0; i < DEEDS; i++) {
    const what = random.below(deeds.length + 8);
    if (what < 5 || windows.length === 0) makes();
    else if (what < 8 || windows.length > MOST_WINDOWS) {
      const [window] = windows.splice(random.below(windows.length), 1);
      window!.x.send(destroyWindow(window!.id));
    } else {
      const window = one(windows);
      for (const bytes of [deeds[what - 8]!(window)].flat()) window.x.send(bytes);
    }
    if (random.below(4) === 0) for (const { x } of programs) x.flush();
    // Also while much is on its way, and when all has come.
    if (random.below(8) === 0) await settled(one(programs).x);
    if (random.below(20) === 0) await new Promise(resolve => setTimeout(resolve, random.below(30)));
  }
  for (const { x } of programs) await settled(x);
  t.notMatch(server.said(), /lost|error/, `seed ${seed}`);
}

t.test('sway, tiling', async t =>
  disorder(t, (await startSway(t, { width: WIDTH, height: HEIGHT })).environment(), SEED),
);

t.test('sway, floating', async t => {
  const config = 'for_window [title=".*"] floating enable';
  const sway = await startSway(t, { width: WIDTH, height: HEIGHT, config });
  await disorder(t, sway.environment(), SEED + 1);
});

t.test('weston', async t => {
  const options = ['--backend=headless-backend.so', '--no-config', '--idle-time=0'];
  const weston = await startCommand(t, ['weston', ...options, `--width=${WIDTH}`, `--height=${HEIGHT}`]);
  await disorder(t, weston.environment(), SEED + 2);
});

t.test('weston, at a scale', async t => {
  const options = ['--backend=headless-backend.so', '--no-config', '--idle-time=0'];
  const weston = await startCommand(t, ['weston', ...options, `--width=${WIDTH}`, `--height=${HEIGHT}`]);
  await disorder(t, weston.environment(), SEED + 3, ['--scale', '1.5']);
});
