/**
 * Where the fuzzer plays: a real compositor, headless, with a seat that has a person at it and a bystander's window on
 * the screen. The hostile client connects to the compositor itself (`direct`, which shows that the fuzzer bites), or
 * comes through the whole of virtwl as a client of another VM, without the client proxy, as a hostile VM would.
 */
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { LoopbackStack } from '../../../src/demo/loopback-stack.js';
import { pictureOf, type Picture } from '../../../src/frames/picture.js';
import { Capturer } from '../../../src/wayland-client/capture.js';
import { Display } from '../../../src/wayland-client/display.js';
import { VirtualKeyboard } from '../../../src/wayland-client/virtual-keyboard.js';
import type { WaylandObject } from '../../../src/wayland-client/wayland-object.js';
import { startCage, startCommand, startLabwc, startSway, type Compositor } from '../../compositors.js';
import { Bystander, within } from './bystander.js';
import type { User } from './player.js';

/** The command line of a compositor; `sway`, `cage` and `labwc` alone are started as fits the fuzzer best. */
export type CompositorName = string;

/** BTN_LEFT of the kernel. */
const LEFT_BUTTON = 0x110;
const EXTENT = 1000;
/** Some pixels of any output, as a part of EXTENT. */
const FIDGET = 20;
/** How long the bystander may have to wait for an answer or for its picture, in milliseconds. */
const PATIENCE_MS = 15_000;
/** Windows of the hostile client that do not answer hold sway's layout up no longer than this, in milliseconds. */
const LAYOUT_MS = 20;
/** The user drags no window into another's place, which would not be its program's doing. */
const SWAY_CONFIG = 'tiling_drag disable';
/** How long what the glue logs may be on its way, in milliseconds. */
const LOG_MS = 500;
/** How long a compositor that has crashed may take to be gone, in milliseconds. */
const END_MS = 2_000;

/** The name of the hostile VM, and of the bystander's. */
const HOSTILE = 'work';
const INNOCENT = 'private';

export class Ground {
  #moved = false;

  private constructor(
    readonly compositor: Compositor,
    /** The socket that the hostile client connects to. */
    readonly entrance: string,
    /** Errors that the compositor found behind the glue, which should have found them before it. */
    readonly refused: string[],
    /** One of them is a finding. */
    private readonly strict: boolean,
    readonly user: User,
    private readonly bystander: Bystander,
    private readonly capture: () => Promise<Picture>,
    private readonly closeAll: () => Promise<void>,
  ) {}

  /** Brings all of it up. Close it in any case. */
  static async open(name: CompositorName, glue: boolean, strict = false): Promise<Ground> {
    const ends: (() => unknown)[] = [];
    const t = { teardown: (end: () => unknown): void => void ends.push(end) };
    const closeAll = async (): Promise<void> => {
      for (const end of ends.splice(0).reverse()) await end();
    };
    try {
      const compositor = await begin(t, name);
      const refused: string[] = [];
      let [entrance, bystanders] = [compositor.display, compositor.display];
      if (glue) {
        const stack = await LoopbackStack.start({
          clients: [HOSTILE, INNOCENT],
          compositor: { attach: compositor.display },
          log: (_part, line) => {
            const [, text] = /the compositor refused what it asked: (.*)/.exec(line) ?? [];
            if (text !== undefined) refused.push(text);
          },
        });
        ends.push(() => stack.stop());
        [entrance, bystanders] = [HOSTILE, INNOCENT].map(vm => join(stack.loopback(vm), 'wayland')) as [string, string];
      }
      const display = await Display.connect(compositor.display);
      ends.push(() => display.close());
      const user = await seat(display);
      const bystander = await Bystander.open(bystanders);
      ends.push(() => bystander.close());
      const capturer = await Capturer.open(display);
      const capture = async (): Promise<Picture> => pictureOf(await capturer.capture());
      const ground = new Ground(compositor, entrance, refused, strict, user, bystander, capture, closeAll);
      await ground.prove();
      return ground;
    } catch (error) {
      await closeAll();
      throw error;
    }
  }

  /**
   * Takes back the error that the compositor has found last: no glue could have found it before. Returns it, or undefined
   * where it was the glue that found it.
   */
  async forgive(): Promise<string | undefined> {
    // The glue tells of it in its log, which comes another way than the error.
    for (const end = Date.now() + LOG_MS; this.refused.length === 0 && Date.now() < end;) await pause(LAYOUT_MS);
    return this.refused.pop();
  }

  /** Rejects, saying how, when the innocent have lost anything, or wait for longer than `patienceMs` milliseconds. */
  async prove(patienceMs = PATIENCE_MS): Promise<void> {
    try {
      this.#proveAlive();
      await this.bystander.answered(patienceMs);
      if (this.strict && this.refused.length > 0) throw new Error(`only the compositor found: ${this.refused[0]!}`);
      await this.bystander.shown(this.capture, () => this.#fidget(), patienceMs);
    } catch (error) {
      // Its end is noticed by who is connected before it is by its parent: it may write a core first.
      await Promise.race([once(this.compositor.process, 'exit'), pause(END_MS)]);
      this.#proveAlive();
      throw error;
    }
  }

  /** The person at the seat moves the pointer by as little as it takes. */
  #fidget(): void {
    this.#moved = !this.#moved;
    this.user.move(EXTENT / 2, EXTENT / 2 + (this.#moved ? FIDGET : 0));
  }

  #proveAlive(): void {
    const { exitCode, signalCode } = this.compositor.process;
    if (exitCode === null && signalCode === null) return;
    // An assertion is the last that it said.
    const said = this.compositor.log().trim().split('\n').at(-1);
    throw new Error(`the compositor has ended: ${signalCode ?? `status ${exitCode}`}, having said: ${said}`);
  }

  close(): Promise<void> {
    return this.closeAll();
  }
}

function begin(t: Parameters<typeof startSway>[0], name: CompositorName): Promise<Compositor> {
  const env = { MALLOC_PERTURB_: '165' }; // memory that was freed is not what it was
  if (name === 'cage') return startCage(t, { env });
  if (name === 'labwc') return startLabwc(t, { env });
  if (name !== 'sway') return startCommand(t, name.split(/\s+/), env);
  const flags = [`-Dtxn-timeout=${LAYOUT_MS}`];
  return startSway(t, { width: 400, height: 300, env, config: SWAY_CONFIG, flags });
}

/** A keyboard and a pointer at the compositor itself, where it lets a client have them. */
async function seat(display: Display): Promise<User> {
  const keyboard =
    display.find('zwp_virtual_keyboard_manager_v1') === undefined ? undefined : new VirtualKeyboard(display);
  let pointer: WaylandObject<'zwlr_virtual_pointer_v1'> | undefined;
  if (display.find('zwlr_virtual_pointer_manager_v1') !== undefined) {
    const manager = display.bindOnce('zwlr_virtual_pointer_manager_v1', 1);
    pointer = manager.create('create_virtual_pointer', display.bindOnce('wl_seat', 1));
  }
  await display.roundtrip();
  let time = 0;
  let down = false;
  return {
    move(x, y) {
      pointer?.request('motion_absolute', ++time, x, y, EXTENT, EXTENT);
      pointer?.request('frame');
    },
    button(pressed) {
      if (pressed === down) return; // a button has two states
      down = pressed;
      pointer?.request('button', ++time, LEFT_BUTTON, pressed ? 1 : 0);
      pointer?.request('frame');
    },
    key() {
      keyboard?.type('a').catch(() => undefined);
    },
    done: () => within(PATIENCE_MS, 'the user waits in vain', display.roundtrip()),
  };
}
