/**
 * The innocent VM, and a person who works in it: a window that draws as often as the screen is refreshed, a program that
 * asks and waits for the answer, new windows, clicks, a paste. What it gets is counted.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { OwnedFd } from '../../../src/system/fd.js';
import { native } from '../../../src/system/native.js';
import { Display } from '../../../src/wayland-client/display.js';
import type { WaylandObject } from '../../../src/wayland-client/wayland-object.js';
import { User } from '../siege.js';
import { colourBuffer, Senses, Window } from '../window.js';

/** Clicks, and windows, of one look. */
export const CLICKS = 20;
export const WINDOWS = 5;
/** Times that it pastes until it gets anything. */
const PASTES = 5;
/** A frame is late when the one before it is longer ago than this, in milliseconds: one and a half of a refresh. */
const LATE_MS = 25;
/** Between two round trips, in milliseconds: who asks all the time leaves no time to be taken. */
const BETWEEN_MS = 1;
/** How long anything is waited for, in milliseconds. */
const PATIENCE_MS = 2_000;
const PASTE_MS = 300;
/** So many frames in so many milliseconds, and it is drawn without interruption. */
const RECOVERY_FRAMES = 5;
const RECOVERY_MS = 100;
const TEXT = Buffer.from('what was copied');

/** What the victim had while it was watched. Times are in milliseconds. */
export interface Sample {
  readonly roundTrips: readonly number[];
  readonly frames: number;
  readonly late: number;
  readonly milliseconds: number;
}

export interface Deeds {
  readonly windows: number;
  readonly clicks: number;
  readonly pasted: boolean;
}

export class Victim {
  #frames: number[] = [];
  #offer: WaylandObject<'wl_data_offer'> | undefined;

  private constructor(
    private readonly path: string,
    private readonly asking: Display,
    private readonly window: Window,
    private readonly senses: Senses,
    private readonly device: WaylandObject<'wl_data_device'>,
    private readonly user: User,
  ) {}

  /** `path`: where its clients connect; `control` is the compositor itself, where the person is. */
  static async open(path: string, control: Display): Promise<Victim> {
    const asking = await Display.connect(path);
    const display = await Display.connect(path);
    const user = new User(control);
    await control.roundtrip();
    const senses = new Senses(display);
    const manager = display.bindOnce('wl_data_device_manager', 3);
    const device = manager.create('get_data_device', senses.seat);
    const window = await Window.open(display, 0x3060a0, 'victim');
    window.follows = false;
    const victim = new Victim(path, asking, window, senses, device, user);
    device.on('selection', offer => (victim.#offer = offer));
    victim.#draw(colourBuffer(display, 200, 150, 0x3060a0));
    return victim;
  }

  close(): void {
    this.asking.close();
    this.window.display.close();
  }

  /** Watches for some time. Rejects where it has lost its window. */
  async watch(milliseconds: number): Promise<Sample> {
    if (this.window.display.ended !== undefined) throw this.window.display.ended;
    const began = performance.now();
    const roundTrips: number[] = [];
    this.#frames = [began];
    while (performance.now() - began < milliseconds) {
      const asked = performance.now();
      await this.asking.roundtrip();
      roundTrips.push(performance.now() - asked);
      await pause(BETWEEN_MS);
    }
    const ended = performance.now();
    const times = [...this.#frames, ended];
    const late = times.filter((time, i) => i > 0 && time - times[i - 1]! > LATE_MS).length;
    roundTrips.sort((a, b) => a - b);
    return { roundTrips, frames: this.#frames.length - 1, late, milliseconds: ended - began };
  }

  /** Waits until it is on the screen again as it should be, whatever was before it. */
  async recovers(): Promise<void> {
    for (const end = performance.now() + PATIENCE_MS; performance.now() < end;) {
      this.#frames = [];
      await pause(RECOVERY_MS);
      if (this.#frames.length >= RECOVERY_FRAMES) return;
    }
  }

  /** What a person does in it. */
  async work(): Promise<Deeds> {
    const clicks = await this.#click();
    // A window of another VM that appears meanwhile takes the keys, and with them the clipboard: it is clicked again.
    let pasted = false;
    for (let i = 0; i < PASTES && !pasted; i++) {
      await this.user.click();
      pasted = await this.#paste().catch(() => false);
    }
    return { clicks, pasted, windows: await this.#open() };
  }

  async #click(): Promise<number> {
    // Where the window is, by the compositor's configuration.
    await this.user.move(100, 100 + (this.senses.buttons % 2));
    const before = this.senses.buttons;
    for (let i = 0; i < CLICKS; i++) await this.user.click();
    await this.#until(() => this.senses.buttons - before >= 2 * CLICKS);
    return Math.floor((this.senses.buttons - before) / 2);
  }

  async #paste(): Promise<boolean> {
    const { display } = this.window;
    const source = display.bindOnce('wl_data_device_manager', 3).create('create_data_source');
    source.on('send', (_type: string, fd: OwnedFd) => {
      try {
        native.write(fd.fd, TEXT, 0, TEXT.length);
      } catch {
        // Who asked has gone.
      }
      fd.close();
    });
    source.request('offer', 'text/plain');
    this.#offer = undefined;
    this.device.request('set_selection', source, this.senses.buttonSerial);
    if (!(await this.#until(() => this.#offer !== undefined, PASTE_MS))) return false;
    const [read, write] = native.pipe();
    this.#offer!.request('receive', 'text/plain', new OwnedFd(write));
    const reading = new OwnedFd(read);
    const bytes = new Uint8Array(TEXT.length);
    const got = await this.#until(() => native.read(read, bytes) === TEXT.length, PASTE_MS);
    reading.close();
    return got;
  }

  async #open(): Promise<number> {
    let opened = 0;
    for (let i = 0; i < WINDOWS; i++) {
      const display = await Display.connect(this.path);
      const opens = Window.open(display, 0x606060, 'another').then(
        () => true,
        () => false,
      );
      if (await Promise.race([opens, pause(PATIENCE_MS, false)])) opened += 1;
      display.close();
    }
    return opened;
  }

  async #until(met: () => boolean, patience = PATIENCE_MS): Promise<boolean> {
    for (const end = performance.now() + patience; !met();) {
      if (performance.now() > end) return false;
      await pause(1);
    }
    return true;
  }

  /** One frame after the other. */
  #draw(buffer: WaylandObject<'wl_buffer'>): void {
    this.window.surface.create('frame').once('done', () => {
      this.#frames.push(performance.now());
      this.#draw(buffer);
    });
    this.window.show(buffer, 200, 150);
  }
}
