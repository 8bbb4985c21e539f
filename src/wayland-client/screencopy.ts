/**
 * Captures by wlr-screencopy. The compositor says what buffer it wants (`buffer`, and from version 3 on `buffer_done` when
 * there are no more kinds), gets one (`copy`), fills it at the output's next frame, and says how (`flags`) and that it is
 * done (`ready`).
 */
import { MAX_BUFFER_KINDS, type BufferKind, type CaptureProtocol } from './capture-protocol.js';
import type { Display } from './display.js';
import type { WaylandObject } from './wayland-object.js';

/** zwlr_screencopy_frame_v1.flags: the first row in memory is the bottom one. */
const FLAG_Y_INVERT = 1;
/** The newest version of the protocol that this file speaks. */
const VERSION = 3;

export class Screencopy implements CaptureProtocol {
  readonly #manager: WaylandObject<'zwlr_screencopy_manager_v1'>;

  constructor(
    private readonly display: Display,
    private readonly output: WaylandObject<'wl_output'>,
    private readonly overlayCursor: boolean,
  ) {
    this.#manager = display.bindOnce('zwlr_screencopy_manager_v1', VERSION);
  }

  async fill(bufferFor: Parameters<CaptureProtocol['fill']>[0]): Promise<boolean> {
    const frame = this.#manager.create('capture_output', this.overlayCursor ? 1 : 0, this.output);
    try {
      const flags = await this.display.until<number>((resolve, reject) => {
        const kinds: BufferKind[] = [];
        let flags = 0;
        const copy = (): void => {
          bufferFor(kinds)
            .then(buffer => frame.request('copy', buffer))
            .catch(reject);
        };
        frame.on('buffer', (format: number, width: number, height: number, stride: number) => {
          if (kinds.length >= MAX_BUFFER_KINDS) {
            reject(new Error(`the compositor offers a capture in over ${MAX_BUFFER_KINDS} kinds of buffer`));
            return;
          }
          kinds.push({ format, width, height, stride });
          // Before version 3 there is one kind, and no event that says so.
          if (frame.version < 3) copy();
        });
        frame.on('buffer_done', copy);
        frame.on('flags', (value: number) => (flags = value));
        frame.on('ready', () => resolve(flags));
        frame.on('failed', () => {
          reject(new Error('the compositor could not capture its output: it was disabled, or is gone'));
        });
      });
      return (flags & FLAG_Y_INVERT) !== 0;
    } finally {
      if (this.display.ended === undefined) frame.request('destroy');
    }
  }
}
