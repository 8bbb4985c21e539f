/**
 * Captures what a compositor shows, with wl_shm: the compositor copies its output into memory of ours.
 *
 * One capture: the protocol that the compositor has for it says what buffer it wants, we hand one over, it fills it and
 * says how. {@link Capturer} keeps buffer and mapping for the next capture, so that many captures cost one mapping. The
 * protocols have files of their own, `screencopy.ts` (wlr-screencopy) and `image-copy.ts`
 * (ext-image-copy-capture); which one is used follows from what the compositor offers.
 */
import { native, SEAL_SHRINK, type Mapping } from '../system/native.js';
import { Memory } from '../virtwl/vfd.js';
import type { BufferKind, CaptureProtocol } from './capture-protocol.js';
import type { Display } from './display.js';
import { ImageCopy } from './image-copy.js';
import { isImageFormat, toImage, type Image } from './image.js';
import { Screencopy } from './screencopy.js';
import type { WaylandObject } from './wayland-object.js';

/** wl_output's version with the name event. */
const OUTPUT_NAME_VERSION = 4;
/** The largest capture, in bytes: an output of 16,384 × 16,384 pixels. A compositor cannot make us map more. */
export const MAX_CAPTURE_BYTES = 1024 * 1024 * 1024;

/** The protocols, the one that is preferred first: it captures a still output as readily as one that changes. */
export const CAPTURE_PROTOCOLS = ['wlr-screencopy', 'ext-image-copy-capture'] as const;
export type CaptureProtocolName = (typeof CAPTURE_PROTOCOLS)[number];

export interface CaptureOptions {
  /** Default: the first of {@link CAPTURE_PROTOCOLS} that the compositor offers. */
  readonly protocol?: CaptureProtocolName;
  /** The output's name, HEADLESS-1 say. Default: the one that was announced first. */
  readonly output?: string;
  /** Whether the pointer is in the picture. Default false. */
  readonly overlayCursor?: boolean;
  /** Where the memory comes from that the compositor writes into. Default: a memfd, which a plain Unix socket carries. */
  readonly memory?: (bytes: number) => Promise<CaptureMemory>;
}

/** Memory, and the wl_shm_pool over it. */
export interface CaptureMemory {
  /** The capturer's to close. */
  readonly memory: Memory;
  readonly pool: WaylandObject<'wl_shm_pool'>;
  /** Destroys the pool, when no buffer is needed any more. */
  release(): void;
}

/** A wl_buffer with the memory under it. */
interface CaptureBuffer extends BufferKind {
  readonly object: WaylandObject<'wl_buffer'>;
  readonly mapping: Mapping;
  release(): void;
}

/** Captures one output again and again. Its buffer and mapping stay until {@link close}. */
export class Capturer {
  #buffer: CaptureBuffer | undefined;
  #busy = false;
  #closed = false;

  private constructor(
    readonly display: Display,
    private readonly protocol: CaptureProtocol,
    private readonly output: WaylandObject<'wl_output'>,
    private readonly memory: (bytes: number) => Promise<CaptureMemory>,
  ) {}

  /**
   * @throws Error when the compositor offers no capture, or has no such output
   */
  static async open(display: Display, options: CaptureOptions = {}): Promise<Capturer> {
    const name = protocolOf(display, options.protocol);
    const output = await findOutput(display, options.output);
    const cursor = options.overlayCursor ?? false;
    const protocol =
      name === 'wlr-screencopy' ? new Screencopy(display, output, cursor) : new ImageCopy(display, output, cursor);
    const memory = options.memory ?? (bytes => memfdMemory(display, bytes));
    return new Capturer(display, protocol, output, memory);
  }

  /**
   * Captures the output as it is next shown. One capture at a time.
   * @throws Error when the compositor refuses, or asks for a buffer that this program cannot read
   */
  async capture(): Promise<Image> {
    if (this.#closed) throw new Error('capture with a capturer that was closed');
    if (this.#busy) throw new Error('a capture is under way; one Capturer makes one at a time');
    this.#busy = true;
    try {
      const flipped = await this.protocol.fill(async kinds => (await this.#bufferFor(kinds)).object);
      if (this.#closed) throw new Error('the capturer was closed during a capture');
      const buffer = this.#buffer!;
      return toImage(new Uint8Array(buffer.mapping.buffer), { ...buffer, flipped });
    } finally {
      this.#busy = false;
    }
  }

  /** A buffer of a kind that we can read; the one of the last capture if it will do. */
  async #bufferFor(kinds: readonly BufferKind[]): Promise<CaptureBuffer> {
    if (this.#closed) throw new Error('the capturer was closed during a capture');
    const kind = kinds.find(item => isImageFormat(item.format));
    if (kind === undefined) {
      const formats = kinds.map(item => `0x${item.format.toString(16)}`).join(', ');
      throw new Error(`the compositor captures only in pixel formats that are not known here: ${formats || 'none'}`);
    }
    const size = kind.stride * kind.height;
    if (size < 1 || size > MAX_CAPTURE_BYTES) {
      throw new Error(`the compositor wants ${size} bytes for a capture; at most ${MAX_CAPTURE_BYTES} are given`);
    }
    const old = this.#buffer;
    if (
      old?.format === kind.format &&
      old.width === kind.width &&
      old.height === kind.height &&
      old.stride === kind.stride
    ) {
      return old;
    }
    this.#dropBuffer();
    const { memory, pool, release } = await this.memory(size);
    let mapping: Mapping;
    try {
      if (this.#closed) throw new Error('the capturer was closed during a capture');
      mapping = memory.map(size, false);
    } catch (error) {
      release();
      throw error;
    } finally {
      // The mapping keeps the memory; what was sent has its own descriptor.
      memory.close();
    }
    const object = pool.create('create_buffer', 0, kind.width, kind.height, kind.stride, kind.format);
    this.#buffer = { ...kind, object, mapping, release };
    return this.#buffer;
  }

  #dropBuffer(): void {
    if (this.#buffer === undefined) return;
    this.#buffer.mapping.unmap();
    if (this.display.ended === undefined) this.#buffer.object.request('destroy');
    this.#buffer.release();
    this.#buffer = undefined;
  }

  /** Frees buffer and mapping. The display stays open. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#dropBuffer();
    release(this.output);
  }
}

/** What each protocol begins with. */
const NEEDS: Readonly<Record<CaptureProtocolName, readonly string[]>> = {
  'wlr-screencopy': ['zwlr_screencopy_manager_v1'],
  'ext-image-copy-capture': ['ext_image_copy_capture_manager_v1', 'ext_output_image_capture_source_manager_v1'],
};

/** The protocol to capture by: the one that is wanted, or the first that is offered. */
function protocolOf(display: Display, wanted: CaptureProtocolName | undefined): CaptureProtocolName {
  const names = wanted === undefined ? CAPTURE_PROTOCOLS : [wanted];
  const found = names.find(name => NEEDS[name].every(global => display.find(global) !== undefined));
  if (found !== undefined) return found;
  throw new Error(
    `the compositor offers no screen capture (${names.map(name => NEEDS[name].join(' and ')).join(', or ')}): wlroots ` +
      'compositors do, and only to those who are connected to the compositor itself, or whose VM has "capture yes" in ' +
      'its policy',
  );
}

/** Memory that nobody can shrink, all of it there. */
async function memfdMemory(display: Display, bytes: number): Promise<CaptureMemory> {
  const memory = new Memory(native.memfd('virtwl-capture', bytes, SEAL_SHRINK), bytes);
  try {
    native.reserve(memory.fd, bytes);
    const pool = display.bindOnce('wl_shm', 1).create('create_pool', memory.share(), bytes);
    return {
      memory,
      pool,
      release: () => {
        if (display.ended === undefined) pool.request('destroy');
      },
    };
  } catch (error) {
    memory.close();
    throw error;
  }
}

/** Captures an output once: {@link Capturer} for those who capture more often. */
export async function captureOutput(display: Display, options: CaptureOptions = {}): Promise<Image> {
  const capturer = await Capturer.open(display, options);
  try {
    return await capturer.capture();
  } finally {
    capturer.close();
  }
}

/** An output that was bound for its name or its picture. Older versions have no destructor. */
function release(output: WaylandObject<'wl_output'>): void {
  if (output.version >= 3 && output.display.ended === undefined) output.request('release');
}

/** The output of that name; without a name the first one. The caller releases it. */
async function findOutput(display: Display, wanted: string | undefined): Promise<WaylandObject<'wl_output'>> {
  const globals = display.globals.filter(global => global.interface === 'wl_output');
  if (globals.length === 0) throw new Error('the compositor has no output to capture');
  if (wanted === undefined) return display.bind('wl_output', OUTPUT_NAME_VERSION);
  const outputs = globals.map(global => {
    const object = display.bind(global, OUTPUT_NAME_VERSION) as WaylandObject<'wl_output'>;
    const output = { object, name: '' };
    object.on('name', (name: string) => (output.name = name));
    return output;
  });
  const named = outputs.map(output => nameByXdgOutput(display, output));
  await display.roundtrip();
  for (const xdg of named) xdg?.request('destroy');
  const found = outputs.find(output => output.name === wanted);
  for (const output of outputs) if (output !== found) release(output.object);
  if (found === undefined) {
    const names = outputs.map(output => output.name || 'one without a name').join(', ');
    throw new Error(`the compositor has no output '${wanted}'; it has ${names}`);
  }
  return found.object;
}

/** Before version 4 an output has no name of its own, only its xdg_output has. */
function nameByXdgOutput(
  display: Display,
  output: { readonly object: WaylandObject<'wl_output'>; name: string },
): WaylandObject<'zxdg_output_v1'> | undefined {
  if (output.object.version >= OUTPUT_NAME_VERSION || display.find('zxdg_output_manager_v1') === undefined) {
    return undefined;
  }
  const xdg = display.bindOnce('zxdg_output_manager_v1', 2).create('get_xdg_output', output.object);
  xdg.on('name', (name: string) => (output.name = name));
  return xdg;
}
