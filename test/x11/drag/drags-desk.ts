/**
 * A desk for drags: a real sway with windows at places that their titles say, an Xwayland of ours on it, and a person with a
 * mouse.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { SILENT } from '../../../src/observe/log.js';
import { TraceOutput } from '../../../src/relay/trace.js';
import { UnixSocket } from '../../../src/system/unix-socket.js';
import { XPrograms } from '../../../src/x11/x-programs.js';
import { COMPOSITOR_FDS } from '../../../src/x11/xwayland.js';
import { Seat } from '../../applications/seat.js';
import { startSway, type Sway } from '../../compositors.js';
import { until } from '../desk.js';
import { TouchScreen } from '../touch-screen.js';
import { connectTo } from '../x-client.js';
import { WaylandSource, WaylandTarget } from './wayland-ends.js';
import { XSource, XTarget } from './x-ends.js';

/** Windows are of this size in the compositor's units, in a row, by the number in their title. */
export const SIDE = 200;
const GAP = 60;
const PLACES = 4;
const [WIDTH, HEIGHT] = [PLACES * (SIDE + GAP), 400];
const TOP = 80;
/** Motions, some 16 ms each, until a window that does not change is given up. */
const MOST_MOVES = 1_500;

const CONFIG = [
  'default_border none',
  'default_floating_border none',
  ...Array.from({ length: PLACES }, (_, i) => {
    const place = `move absolute position ${i * (SIDE + GAP)} ${TOP}`;
    return `for_window [title="^(\\[office\\] )?${i} "] floating enable, resize set ${SIDE} ${SIDE}, ${place}`;
  }),
].join('\n');

export interface DragsDeskOptions {
  readonly scale?: number;
  /** How long a side may take after the drop, in milliseconds. */
  readonly finishMs?: number;
  /** What is between `virtwl x11` and the compositor: the display that it is to connect to. */
  readonly through?: (sway: Sway) => string;
  /** Default: one without a touch screen. */
  readonly stage?: Awaited<ReturnType<typeof DragsDesk.stage>>;
  /** Told each line of the trace between Xwayland and the compositor. */
  readonly trace?: (line: string) => void;
}

type XClient = Awaited<ReturnType<typeof connectTo>>;

export class DragsDesk {
  readonly #sources: { forget(): void }[] = [];

  constructor(
    readonly test: Test,
    readonly sway: Sway,
    readonly seat: Seat,
    private readonly scale: number,
    private readonly connect: () => Promise<XClient>,
    /** Before the titles of X windows. */
    private readonly label = '',
  ) {}

  /** A compositor and a mouse, and no X server. */
  static async stage(t: Test, scale = 1): Promise<{ sway: Sway; seat: Seat }> {
    const config = `${CONFIG}\noutput HEADLESS-1 scale ${scale}`;
    const sway = await startSway(t, { width: WIDTH * scale, height: HEIGHT * scale, config });
    return { sway, seat: await DragsDesk.#sit(t, sway) };
  }

  /** With a touch screen. */
  static async touchStage(t: Test): Promise<{ sway: Sway; seat: Seat; screen: TouchScreen }> {
    const { sway, screen } = await TouchScreen.start(t, { width: WIDTH, height: HEIGHT, config: CONFIG });
    return { sway, screen, seat: await DragsDesk.#sit(t, sway) };
  }

  static async #sit(t: Test, { display }: Sway): Promise<Seat> {
    const seat = await Seat.take(display, { width: WIDTH, height: HEIGHT });
    t.teardown(() => seat.close());
    return seat;
  }

  static async open(t: Test, { scale = 1, finishMs, through, ...options }: DragsDeskOptions = {}) {
    const { sway, seat } = options.stage ?? (await DragsDesk.stage(t, scale));
    const directory = mkdtempSync(join(tmpdir(), 'virtwl-x11-'));
    t.teardown(() => rmSync(directory, { recursive: true, force: true }));
    const path = through?.(sway) ?? sway.display;
    const trace = options.trace && new TraceOutput(options.trace);
    const connect = (): UnixSocket => UnixSocket.connect(path, { maxQueuedFds: COMPOSITOR_FDS });
    const programs = new XPrograms({ directory, connect, scale, log: SILENT, transferIdleMs: finishMs, trace });
    t.teardown(() => programs.close());
    const { name, authority } = programs.display;
    return Object.assign(new DragsDesk(t, sway, seat, scale, () => connectTo(name, authority)), { programs });
  }

  async client(): Promise<XClient> {
    const client = await this.connect();
    this.test.teardown(() => client.x.close());
    return client;
  }

  /** The window is shown. */
  async shown(title: string): Promise<void> {
    await until(`the window ${title}`, async () =>
      JSON.stringify(await this.sway.message('-t', 'get_tree')).includes(`"name":${JSON.stringify(title)}`),
    );
  }

  async xTarget(place: number, proxied = false): Promise<XTarget> {
    const target = await XTarget.open(await this.client(), `${place} X target`, this.#look(0xffffff), proxied);
    await this.shown(`${this.label}${place} X target`);
    return target;
  }

  async xSource(place: number): Promise<XSource> {
    const source = await XSource.open(await this.client(), `${place} X source`, this.#look(0xa02020));
    this.#sources.push(source);
    await this.shown(`${this.label}${place} X source`);
    return source;
  }

  async waylandTarget(place: number): Promise<WaylandTarget> {
    const target = await WaylandTarget.open(this.sway.display, `${place} Wayland target`);
    this.test.teardown(() => target.close());
    await this.shown(`${place} Wayland target`);
    return target;
  }

  async waylandSource(place: number): Promise<WaylandSource> {
    const source = await WaylandSource.open(this.sway.display, `${place} Wayland source`);
    this.#sources.push(source);
    this.test.teardown(() => source.close());
    await this.shown(`${place} Wayland source`);
    return source;
  }

  /** Moves to a place of a window: `part` of the way from its upper left corner to its lower right one. */
  async move(place: number, part = 0.5): Promise<void> {
    const [x, y] = DragsDesk.at(place, part);
    await this.seat.move(x, y);
  }

  /** That place, in the compositor's units. */
  static at(place: number, part = 0.5): readonly [x: number, y: number] {
    const offset = Math.round(SIDE * part);
    return [place * (SIDE + GAP) + offset, TOP + offset];
  }

  /** Presses the button on a window, and moves a little with it. */
  async lift(from: number): Promise<void> {
    // What holds of the drag before is not to be taken for this one.
    for (const source of this.#sources) source.forget();
    await this.move(from, 0.4);
    await this.move(from);
    await this.seat.press();
    for (const part of [0.55, 0.6, 0.65]) await this.move(from, part);
  }

  async drag(from: number, to: number): Promise<void> {
    await this.lift(from);
    await this.over(to);
  }

  /** Moves to another window. */
  async over(to: number): Promise<void> {
    for (const part of [0.3, 0.4, 0.5]) await this.move(to, part);
  }

  /** Moves about over a window, as a hand does, until something holds: with each motion, programs look anew. */
  async hover(place: number, what: string, holds: () => boolean): Promise<void> {
    for (let i = 0; !holds(); i++) {
      if (i > MOST_MOVES) throw new Error(`waited in vain: ${what}`);
      await this.move(place, 0.48 + (i % 2) * 0.02);
    }
    await this.move(place);
  }

  release(): Promise<void> {
    return this.seat.release();
  }

  #look(colour: number) {
    return { width: SIDE * this.scale, height: SIDE * this.scale, colour };
  }
}
