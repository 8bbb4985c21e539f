/**
 * A siege: a real compositor under virtwl with two client VMs. "work" is hostile and speaks Wayland over the link itself,
 * as no client proxy would; "private" is its victim. A person sits at the compositor's seat. What a test asserts is what
 * the victim still has: answers, windows, clicks, its clipboard.
 */
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Test } from 'tap';
import { LoopbackStack } from '../../src/demo/loopback-stack.js';
import { Display } from '../../src/wayland-client/display.js';
import { VirtualKeyboard } from '../../src/wayland-client/virtual-keyboard.js';
import type { WaylandObject } from '../../src/wayland-client/wayland-object.js';
import { startCage, startLabwc, startSway, type Compositor, type Sway } from '../compositors.js';
import { within } from '../fuzz/semantic/bystander.js';
import { Screen } from '../loopback/screen.js';

export const HOSTILE = 'work';
/** Options of a test of an attack: the longest starts the stack anew for each thing that is tried, when it fails. */
export const SIEGE = { timeout: 180_000 };
export const VICTIM = 'private';
/** Size of the output under sway. */
export const WIDTH = 800;
export const HEIGHT = 600;
/** BTN_LEFT of the kernel. */
const LEFT_BUTTON = 0x110;
/** How long the victim waits for an answer until it counts as refused, in milliseconds: seconds for a busy machine. */
export const PATIENCE_MS = 15_000;
/** How long a compositor that has crashed may take to be gone, in milliseconds. */
const COMPOSITOR_END_MS = 2_000;

export interface SiegeOptions {
  readonly compositor?: 'sway' | 'cage' | 'labwc';
  /** Policy files by VM. */
  readonly policies?: Readonly<Record<string, string>>;
  /** The compositor VM's memory. */
  readonly budget?: string;
  /** Lines of sway's configuration. */
  readonly config?: string;
}

/** The person at the seat, where the compositor lets a client be one (cage does not). Positions are in pixels of the output. */
export class User {
  readonly #keyboard: VirtualKeyboard | undefined;
  readonly #pointer: WaylandObject<'zwlr_virtual_pointer_v1'> | undefined;
  #time = 0;

  constructor(private readonly display: Display) {
    if (display.find('zwlr_virtual_pointer_manager_v1') === undefined) return;
    this.#keyboard = new VirtualKeyboard(display);
    const manager = display.bindOnce('zwlr_virtual_pointer_manager_v1', 1);
    this.#pointer = manager.create('create_virtual_pointer', display.bindOnce('wl_seat', 1));
  }

  async move(x: number, y: number): Promise<void> {
    this.#pointer?.request('motion_absolute', (this.#time += 10), x, y, WIDTH, HEIGHT);
    await this.#frame();
  }

  async press(): Promise<void> {
    this.#pointer?.request('button', (this.#time += 10), LEFT_BUTTON, 1);
    await this.#frame();
  }

  async release(): Promise<void> {
    this.#pointer?.request('button', (this.#time += 10), LEFT_BUTTON, 0);
    await this.#frame();
  }

  async click(): Promise<void> {
    await this.press();
    await this.release();
  }

  /** Takes the pointer away from the seat. */
  async unplug(): Promise<void> {
    this.#pointer?.request('destroy');
    await this.display.roundtrip();
  }

  async type(text: string): Promise<void> {
    await this.#keyboard?.type(text);
  }

  async #frame(): Promise<void> {
    this.#pointer?.request('frame');
    await this.display.roundtrip();
  }
}

export class Siege {
  private constructor(
    private readonly t: Pick<Test, 'teardown'>,
    private readonly control: Display,
    readonly compositor: Compositor,
    readonly stack: LoopbackStack,
    readonly user: User,
    readonly screen: Screen,
  ) {}

  /** Brings all of it up; it ends with the test. */
  static async begin(t: Test, options: SiegeOptions = {}): Promise<Siege> {
    const config = options.config;
    const compositor =
      options.compositor === 'cage'
        ? await startCage(t)
        : options.compositor === 'labwc'
          ? await startLabwc(t)
          : await startSway(t, { width: WIDTH, height: HEIGHT, ...(config !== undefined && { config }) });
    const policies = Object.entries(options.policies ?? {}).map(([vm, text]) => [`${vm}.policy`, text] as const);
    const directory = policies.length > 0 ? t.testdir(Object.fromEntries(policies)) : undefined;
    const stack = await LoopbackStack.start({
      clients: [HOSTILE, VICTIM],
      compositor: { attach: compositor.display },
      ...(options.budget !== undefined && { budget: options.budget }),
      ...(directory !== undefined && { compositorArguments: ['--policy', directory] }),
    });
    t.teardown(() => stack.stop());
    const display = await Display.connect(compositor.display);
    t.teardown(() => display.close());
    const user = new User(display);
    await display.roundtrip();
    return new Siege(t, display, compositor, stack, user, await Screen.open(t, compositor.display));
  }

  /** Under sway only. */
  get sway(): Sway {
    return this.compositor as Sway;
  }

  /** A new client in a VM, without a client proxy. Rejects where nobody serves it within {@link PATIENCE_MS}. */
  async connect(vm: string): Promise<Display> {
    const path = join(this.stack.loopback(vm), 'wayland');
    const display = await within(PATIENCE_MS, `no client of VM "${vm}" is served`, Display.connect(path));
    this.t.teardown(() => display.close());
    return display;
  }

  /** Waits until the compositor has handled what it was told, or, where that ended it, until it is gone. */
  async quiet(): Promise<void> {
    await answered(this.control).catch(() =>
      Promise.race([once(this.compositor.process, 'exit'), pause(COMPOSITOR_END_MS)]),
    );
  }

  /** Ends all of it, before the test does. */
  async end(): Promise<void> {
    await this.stack.stop();
    await this.compositor.stop();
  }

  /** The compositor's process is the one that it was. */
  get stands(): boolean {
    return this.compositor.process.exitCode === null && this.compositor.process.signalCode === null;
  }
}

/** Rejects when a display does not answer within {@link PATIENCE_MS}. */
export function answered(display: Display): Promise<void> {
  return within(PATIENCE_MS, 'waits in vain for the answer to a roundtrip', display.roundtrip());
}

/** Milliseconds of round trips, one after another, until `over` resolves: at least one whole one during it. */
export async function roundTrips(display: Display, over: Promise<unknown>): Promise<{ during: number; told: string }> {
  let done = false;
  const ended = over.then(
    () => (done = true),
    () => (done = true),
  );
  const times: number[] = [];
  while (!done) {
    const began = performance.now();
    await answered(display);
    if (!done) times.push(performance.now() - began);
    await pause(2);
  }
  await ended;
  times.sort((a, b) => a - b);
  const at = (part: number): string => (times[Math.floor(times.length * part)] ?? NaN).toFixed(2);
  return {
    during: times.length,
    told: `${times.length} round trips of the victim: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`,
  };
}
