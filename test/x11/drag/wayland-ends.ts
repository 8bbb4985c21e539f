/** Wayland clients of tests that drag and are dropped on. */
import type { OwnedFd } from '../../../src/system/fd.js';
import { native } from '../../../src/system/native.js';
import { Display } from '../../../src/wayland-client/display.js';
import type { WaylandObject } from '../../../src/wayland-client/wayland-object.js';
import { WlDataDeviceManagerDndAction } from '../../../src/wayland/protocols/wayland.js';
import { Senses, Window } from '../../firewall/window.js';
import { drain } from './pipes.js';

const { copy } = WlDataDeviceManagerDndAction;

/** A window with a data device. */
async function open(path: string, title: string, colour: number) {
  const display = await Display.connect(path);
  const manager = display.bindOnce('wl_data_device_manager', 3);
  const senses = new Senses(display);
  const device = manager.create('get_data_device', senses.seat);
  const window = await Window.open(display, colour, title);
  return { display, manager, senses, device, window };
}

/** Drags as soon as a button is pressed on it. */
export class WaylandSource {
  readonly ends: string[] = [];
  action = 0;
  actions: number = copy;
  types: readonly string[] = ['text/uri-list'];
  data = Buffer.from('file:///tmp/one\r\nfile:///tmp/two\r\n');
  /** Whether it writes what it is asked for. */
  writes = true;
  asked = 0;
  /** Of the drag that goes on. */
  source: WaylandObject<'wl_data_source'> | undefined;
  readonly #kept: OwnedFd[] = [];

  private constructor(private readonly parts: Awaited<ReturnType<typeof open>>) {
    parts.senses.seat.create('get_pointer').on('button', (serial, _time, _button, state) => {
      if (state === 1) this.#drag(serial);
    });
  }

  static async open(path: string, title: string): Promise<WaylandSource> {
    return new WaylandSource(await open(path, title, 0x2040a0));
  }

  get display(): Display {
    return this.parts.display;
  }

  close(): void {
    for (const fd of this.#kept) fd.close();
    this.parts.display.close();
  }

  /** What has become of the drag before. */
  forget(): void {
    this.ends.length = this.action = 0;
  }

  #drag(serial: number): void {
    const { manager, device, window } = this.parts;
    const source = manager.create('create_data_source');
    this.source = source;
    this.forget();
    source.on('action', (chosen: number) => (this.action = chosen));
    source.on('cancelled', () => this.ends.push('cancelled'));
    source.on('dnd_finished', () => {
      this.ends.push('finished');
      source.request('destroy');
    });
    source.on('send', (_type: string, fd: OwnedFd) => {
      this.asked += 1;
      if (!this.writes) {
        this.#kept.push(fd);
        return;
      }
      native.write(fd.fd, this.data, 0, this.data.length);
      fd.close();
    });
    for (const type of this.types) source.request('offer', type);
    source.request('set_actions', this.actions);
    device.request('start_drag', source, window.surface, undefined, serial);
  }
}

/** Takes what is dropped on it. */
export class WaylandTarget {
  readonly told: string[] = [];
  types: string[] = [];
  accepts = true;
  takes = true;
  finishes = true;
  wants = 'text/uri-list';
  actions: number = copy;
  preferred: number = copy;
  taken: Buffer | undefined;
  #serial = 0;
  #offer: WaylandObject<'wl_data_offer'> | undefined;

  private constructor(private readonly parts: Awaited<ReturnType<typeof open>>) {
    const { device } = parts;
    device.on('data_offer', offer => {
      this.#offer = offer;
      this.types = [];
      offer.on('offer', (type: string) => this.types.push(type));
    });
    device.on('enter', (serial: number) => {
      this.#serial = serial;
      this.told.push('enter');
      this.answer();
    });
    device.on('leave', () => this.told.push('leave'));
    device.on('drop', () => {
      this.told.push('drop');
      if (this.takes) void this.take();
    });
  }

  static async open(path: string, title: string): Promise<WaylandTarget> {
    return new WaylandTarget(await open(path, title, 0x40a020));
  }

  get display(): Display {
    return this.parts.display;
  }

  close(): void {
    this.parts.display.close();
  }

  answer(): void {
    this.#offer?.request('accept', this.#serial, this.accepts ? this.wants : undefined);
    this.#offer?.request('set_actions', this.accepts ? this.actions : 0, this.accepts ? this.preferred : 0);
  }

  /** Asks for the data and, if it is to, says that it has it. */
  async take(): Promise<Buffer> {
    const offer = this.#offer!;
    this.taken = await drain(sink => offer.request('receive', this.wants, sink));
    if (this.finishes) {
      offer.request('finish');
      offer.request('destroy');
    }
    return this.taken;
  }
}
