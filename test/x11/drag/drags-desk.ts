/** A desk for drags: windows at places that their titles say, and a person with a mouse. */
import type { Test } from 'tap';
import type { Seat } from '../../applications/seat.js';
import { Desk, type DeskOptions } from '../desk.js';
import { connectTo } from '../x-client.js';
import { WaylandSource, WaylandTarget } from './wayland-ends.js';
import { XSource, XTarget } from './x-ends.js';

/** Windows are of this size, in a row, by the number in their title. */
const SIDE = 200;
const GAP = 60;
const PLACES = 4;
const [WIDTH, HEIGHT] = [PLACES * (SIDE + GAP), 400];
const TOP = 80;

const CONFIG = [
  'default_border none',
  'default_floating_border none',
  ...Array.from({ length: PLACES }, (_, i) => {
    const place = `move absolute position ${i * (SIDE + GAP)} ${TOP}`;
    return `for_window [title="^${i} "] floating enable, resize set ${SIDE} ${SIDE}, ${place}`;
  }),
].join('\n');

export class DragsDesk {
  private constructor(
    readonly test: Test,
    readonly desk: Desk,
    readonly seat: Seat,
  ) {}

  static async open(t: Test, options: DeskOptions = {}): Promise<DragsDesk> {
    const desk = await Desk.open(t, { width: WIDTH, height: HEIGHT, ...options, config: CONFIG });
    return new DragsDesk(t, desk, await desk.seat(WIDTH, HEIGHT));
  }

  async #client() {
    const client = await connectTo(this.desk.display, this.desk.authority);
    this.test.teardown(() => client.x.close());
    return client;
  }

  async xTarget(place: number, proxied = false): Promise<XTarget> {
    const title = `${place} X target`;
    const target = await XTarget.open(await this.#client(), title, { width: SIDE, height: SIDE }, proxied);
    await this.desk.window(title);
    return target;
  }

  async xSource(place: number): Promise<XSource> {
    const title = `${place} X source`;
    const source = await XSource.open(await this.#client(), title, { width: SIDE, height: SIDE, colour: 0xa02020 });
    await this.desk.window(title);
    return source;
  }

  async waylandTarget(place: number): Promise<WaylandTarget> {
    const target = await WaylandTarget.open(this.desk.sway.display, `${place} Wayland target`);
    this.test.teardown(() => target.close());
    await this.desk.window(`${place} Wayland target`);
    return target;
  }

  async waylandSource(place: number): Promise<WaylandSource> {
    const source = await WaylandSource.open(this.desk.sway.display, `${place} Wayland source`);
    this.test.teardown(() => source.close());
    await this.desk.window(`${place} Wayland source`);
    return source;
  }

  /** Moves to a place of a window: `part` of the way from its upper left corner to its lower right one. */
  async move(place: number, part = 0.5): Promise<void> {
    const offset = Math.round(SIDE * part);
    await this.seat.move(place * (SIDE + GAP) + offset, TOP + offset);
  }

  /** Presses the button on a window, and moves with it to another one. */
  async drag(from: number, to: number): Promise<void> {
    await this.move(from, 0.4);
    await this.move(from);
    await this.seat.press();
    for (const part of [0.55, 0.6, 0.65]) await this.move(from, part);
    await this.over(to);
  }

  /** Moves to another window. */
  async over(to: number): Promise<void> {
    for (const part of [0.3, 0.4, 0.5]) await this.move(to, part);
  }

  release(): Promise<void> {
    return this.seat.release();
  }
}
