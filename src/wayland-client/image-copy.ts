/**
 * Captures by ext-image-copy-capture. A session says size and formats (`buffer_size`, `shm_format`, `done`); its frame gets
 * a buffer, all of it declared as out of date, and is filled (`ready`) or not (`failed`).
 *
 * Each capture has a session of its own. The first frame of a session is filled at once; for a later one the compositor
 * may wait until the output changes, which may be never.
 */
import { bytesPerPixel } from '../wayland/shm-formats.js';
import { MAX_BUFFER_KINDS, type BufferKind, type CaptureProtocol } from './capture-protocol.js';
import type { Display } from './display.js';
import type { WaylandObject } from './wayland-object.js';

/** ext_image_copy_capture_manager_v1.options */
const PAINT_CURSORS = 1;
/** ext_image_copy_capture_frame_v1.failure_reason: the buffer is not, or not any more, as the session wants it. */
const BUFFER_CONSTRAINTS = 1;
/** wl_output.transform: as it is, and the bottom row first. */
const NORMAL = 0;
const FLIPPED_180 = 6;
/** How often one capture may find that the output has got another size meanwhile. */
export const MAX_SESSIONS = 4;

type BufferFor = Parameters<CaptureProtocol['fill']>[0];

export class ImageCopy implements CaptureProtocol {
  readonly #manager: WaylandObject<'ext_image_copy_capture_manager_v1'>;
  readonly #sources: WaylandObject<'ext_output_image_capture_source_manager_v1'>;

  constructor(
    private readonly display: Display,
    private readonly output: WaylandObject<'wl_output'>,
    private readonly overlayCursor: boolean,
  ) {
    this.#manager = display.bindOnce('ext_image_copy_capture_manager_v1', 1);
    this.#sources = display.bindOnce('ext_output_image_capture_source_manager_v1', 1);
  }

  async fill(bufferFor: BufferFor): Promise<boolean> {
    for (let i = 0; i < MAX_SESSIONS; i++) {
      const transform = await this.#once(bufferFor);
      if (transform === undefined) continue;
      if (transform !== NORMAL && transform !== FLIPPED_180) {
        throw new Error(
          `the compositor captures its output turned (wl_output.transform ${transform}); this cannot be read here`,
        );
      }
      return transform === FLIPPED_180;
    }
    throw new Error(
      `the compositor wanted another buffer in ${MAX_SESSIONS} sessions in a row: its output keeps changing`,
    );
  }

  /** One session with one frame; resolves to its transform, or undefined when the buffer did not suit any more. */
  async #once(bufferFor: BufferFor): Promise<number | undefined> {
    const source = this.#sources.create('create_source', this.output);
    const session = this.#manager.create('create_session', source, this.overlayCursor ? PAINT_CURSORS : 0);
    let frame: WaylandObject<'ext_image_copy_capture_frame_v1'> | undefined;
    try {
      return await this.display.until<number | undefined>((resolve, reject) => {
        let size = { width: 0, height: 0 };
        let formats: number[] = [];
        let transform = NORMAL;
        const begin = (kinds: readonly BufferKind[]): void => {
          bufferFor(kinds)
            .then(buffer => {
              frame = session.create('create_frame');
              frame.on('transform', value => (transform = value));
              frame.on('ready', () => resolve(transform));
              frame.on('failed', reason => {
                if (reason === BUFFER_CONSTRAINTS) resolve(undefined);
                else reject(stopped());
              });
              frame.request('attach_buffer', buffer);
              frame.request('damage_buffer', 0, 0, kinds[0]!.width, kinds[0]!.height);
              frame.request('capture');
            })
            .catch(reject);
        };
        session.on('buffer_size', (width, height) => (size = { width, height }));
        session.on('shm_format', format => {
          if (formats.length >= MAX_BUFFER_KINDS) {
            reject(new Error(`the compositor offers a capture in over ${MAX_BUFFER_KINDS} kinds of buffer`));
            return;
          }
          formats.push(format);
        });
        session.on('stopped', () => reject(stopped()));
        let begun = false;
        session.on('done', () => {
          const kinds = formats.map(format => ({ format, ...size, stride: size.width * (bytesPerPixel(format) ?? 4) }));
          formats = [];
          // Told again: the constraints have changed, and the frame under way will fail for it.
          if (!begun) begin(kinds);
          begun = true;
        });
      });
    } finally {
      if (this.display.ended === undefined) {
        frame?.request('destroy');
        session.request('destroy');
        source.request('destroy');
      }
    }
  }
}

function stopped(): Error {
  return new Error('the compositor could not capture its output: it was disabled, or is gone');
}
