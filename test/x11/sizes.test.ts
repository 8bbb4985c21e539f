/**
 * The size of a window, its client's and its picture's are the same again after each change, on a real compositor: whoever
 * changes it, and whatever the client does about it.
 */
import t, { type Test } from 'tap';
import { internAtoms } from '../../src/x11/atoms.js';
import { clientMessage } from '../../src/x11/events.js';
import { geometry } from '../../src/x11/replies.js';
import {
  changeProperty,
  changeWords,
  configureWindow,
  EventMask,
  getGeometry,
  mapWindow,
  sendEvent,
} from '../../src/x11/requests.js';
import { words } from '../../src/x11/wire.js';
import { PATIENT_LAYOUTS } from '../compositors.js';
import { boundsOf, Desk, until } from './desk.js';
import { connectTo, makeCounter, makeWindow, settled } from './x-client.js';

const RED = 0xff0000;
/** Predefined atoms. */
const [ATOM, CARDINAL, STRING, WM_NAME, WM_NORMAL_HINTS, WM_SIZE_HINTS] = [4, 6, 31, 39, 40, 41];
const NAMES = [
  ...(['WM_PROTOCOLS', '_NET_WM_SYNC_REQUEST', '_NET_WM_SYNC_REQUEST_COUNTER', '_NET_WM_MOVERESIZE'] as const),
] as const;
/** Of _NET_WM_MOVERESIZE. */
const BOTTOM_RIGHT = 4;

/** What a client does when it is asked to count: nothing, since it does not say that it does; or this. */
type Counting = 'is not asked' | 'counts' | 'never counts';

class Case {
  private constructor(
    readonly desk: Desk,
    readonly x: Awaited<ReturnType<typeof connectTo>>['x'],
    readonly root: number,
    readonly atoms: Readonly<Record<(typeof NAMES)[number], number>>,
    readonly window: number,
  ) {}

  /** A red window that floats. `hints`: words of WM_NORMAL_HINTS. */
  static async open(t: Test, desk: Desk, counting: Counting, hints?: readonly number[]): Promise<Case> {
    const { x, setup } = await connectTo(desk.display, desk.authority);
    t.teardown(() => x.close());
    const atoms = await new Promise<Case['atoms']>(known => internAtoms(x, NAMES, known));
    const window = makeWindow(x, setup.root, false, { width: 200, height: 100, colour: RED });
    x.send(changeProperty(window, WM_NAME, STRING, 8, Buffer.from('red')));
    if (hints !== undefined) x.send(changeProperty(window, WM_NORMAL_HINTS, WM_SIZE_HINTS, 32, words(hints)));
    if (counting !== 'is not asked') {
      const counter = await makeCounter(x);
      x.send(changeWords(window, atoms.WM_PROTOCOLS, ATOM, [atoms._NET_WM_SYNC_REQUEST]));
      x.send(changeWords(window, atoms._NET_WM_SYNC_REQUEST_COUNTER, CARDINAL, [counter.id]));
      x.on('event', event => {
        const asked = event.is === 'ClientMessage' && event.type === atoms.WM_PROTOCOLS;
        if (asked && counting === 'counts') counter.set(event.data[2]!);
      });
    }
    x.send(mapWindow(window));
    const opened = new Case(desk, x, setup.root, atoms, window);
    await opened.is(200, 100);
    return opened;
  }

  /** The compositor changes it. */
  async resize(width: number, height: number): Promise<void> {
    await this.desk.sway.message(`[title="red"] resize set ${width} ${height}`);
  }

  /** Waits until window, client and picture have this size. */
  is(width: number, height: number): Promise<Size> {
    return this.#sizes(`${width} x ${height}`, size => size.width === width && size.height === height);
  }

  /** Waits until they have the same size. */
  same(): Promise<Size> {
    return this.#sizes('the same size', () => true);
  }

  async #sizes(what: string, wanted: (size: Size) => boolean): Promise<Size> {
    let seen: (Size | undefined)[] = [];
    const look = async (): Promise<boolean> => {
      seen = [
        (await this.desk.windows()).find(({ title }) => title === 'red'),
        await new Promise<Size>(known => this.x.ask(getGeometry(this.window), reply => known(geometry(reply)))),
        boundsOf(await this.desk.picture(), RED),
      ];
      const [one] = seen;
      return seen.every(size => size?.width === one?.width && size?.height === one?.height) && wanted(one!);
    };
    await until(`window, client and picture of ${what}`, look).catch((error: Error) => {
      throw new Error(`${error.message}: ${seen.map(size => `${size?.width} x ${size?.height}`).join(', ')}`);
    });
    return seen[0]!;
  }
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/** sway goes on after 0.2 s, and takes the size of a picture that comes later for a wish; not on a busy machine. */
const FLOATING = { config: 'for_window [title=".*"] floating enable', flags: [PATIENT_LAYOUTS] };

for (const counting of ['is not asked', 'counts', 'never counts'] as const) {
  t.test(`a window's picture has the size of its window: its client ${counting}`, { timeout: 200_000 }, async t => {
    const desk = await Desk.open(t, FLOATING);
    const red = await Case.open(t, desk, counting);
    await red.resize(300, 150);
    await red.is(300, 150);
    red.x.send(configureWindow(red.window, { width: 240, height: 120 }));
    await red.is(240, 120);
    red.x.send(configureWindow(red.window, { width: 260, height: 130 }));
    red.x.send(configureWindow(red.window, { width: 240, height: 120 }));
    await red.is(240, 120);

    const { x, y } = await desk.window('red');
    const seat = await desk.seat(800, 600);
    await seat.move(x + 200, y + 100);
    await seat.press();
    const toRoot = EventMask.substructureNotify | EventMask.substructureRedirect;
    const wish = clientMessage(red.window, red.atoms._NET_WM_MOVERESIZE, [0, 0, BOTTOM_RIGHT, 1, 1]);
    await until('a larger window', async () => {
      // Its way is another than that of the button, and it counts only after that.
      red.x.send(sendEvent(red.root, wish, toRoot));
      await settled(red.x);
      await seat.glide(x + 200, y + 100);
      await seat.glide(x + 260, y + 140);
      return (await desk.window('red')).width > 240;
    });
    await seat.release();
    const { width, height } = await red.same();

    await desk.sway.message('[title="red"] fullscreen enable');
    await red.is(800, 600);
    await desk.sway.message('[title="red"] fullscreen disable');
    await red.is(width, height);
    t.end();
  });
}

t.test(
  'a window that has steps gets the largest size of these that there is room for',
  { timeout: 100_000 },
  async t => {
    const desk = await Desk.open(t, FLOATING);
    // Bits of flags: smallest, largest, steps, base.
    const hints = [16 | 32 | 64 | 256, 0, 0, 0, 0, 110, 70, 405, 400, 15, 10, 0, 0, 0, 0, 5, 0];
    const red = await Case.open(t, desk, 'counts', hints);
    await red.resize(303, 158);
    await red.is(290, 150);
    await red.resize(500, 500);
    await red.is(395, 400);
    await red.resize(80, 60);
    await red.is(110, 70);
    await desk.sway.message('[title="red"] fullscreen enable');
    await red.is(800, 600);
  },
);
