/**
 * Brings pixels from a buffer of the application to a link buffer: what is damaged, in one call for all rectangles. Small
 * copies are made at once. Large ones go to a thread where the process has others to serve meanwhile, whose answers would
 * come milliseconds later otherwise.
 */
import { ProtocolError } from '../relay/call.js';
import type { RelayObject } from '../relay/object-map.js';
import { native } from '../system/native.js';
import { WlDisplayError, WlShmError } from '../wayland/protocols/wayland.js';
import { MAX_RECTS, type Region } from '../wayland/region.js';
import type { AppBuffer } from './app-pool.js';
import type { LinkBuffer } from './link-buffer.js';

/**
 * From how many bytes on a copy goes to a thread: some 0.1 ms. To hand it over and to be woken costs a third of that on a
 * machine that has nothing else to do.
 */
export const THREAD_BYTES = 1 << 20;

/** Rows for native.copyRects: six numbers a rectangle, for the largest region there can be. */
const copyList = new Float64Array(6 * (MAX_RECTS + 1));

const TRUNCATED = 'error accessing the buffer: the file of its pool is shorter than the pool';

/** A buffer of the application as it was attached: its wl_buffer, which may be destroyed since, and the offset. */
export interface Attached {
  readonly buffer: AppBuffer;
  readonly object: RelayObject<'wl_buffer'>;
  readonly x: number;
  readonly y: number;
}

/** Where large copies are made. */
export interface CopyWork {
  /** Whether a copy of so many bytes is to be made in a thread: others would have to wait for it. */
  inThread(bytes: number): boolean;
  /** A thread has copied: the commit that waits for that may be said again. */
  done(): void;
}

/** What a thread copies. */
export interface Copying {
  readonly to: LinkBuffer;
  finished: boolean;
}

/** Throws where a buffer's file was shorter than it should be, in a copy just made. */
export function checkIsWhole({ buffer, object }: Attached): void {
  if (!buffer.pool.mapping.faulted) return;
  throw object.destroyed
    ? new ProtocolError(1, WlDisplayError.implementation, TRUNCATED)
    : new ProtocolError(object.clientId, WlShmError.invalid_fd, TRUNCATED);
}

/**
 * Copies `region` of `from`, in pixels, to the same place of `to`. Returns the bytes copied; undefined: a thread does it,
 * since `work` wants that, and `later` is called with the bytes afterwards. The pools' memory stays until then, whatever
 * is unmapped; that nobody writes to `to` is the caller's affair.
 */
export function copyPixels(
  from: AppBuffer,
  to: LinkBuffer,
  region: Region,
  work: CopyWork | undefined,
  later: (copied: number) => void,
): number | undefined {
  const { rects } = region;
  const bytes = from.bytesPerPixel;
  let count = 0;
  let total = 0;
  for (const r of rects) {
    const at = 6 * count;
    copyList[at] = to.part.offset + r.y1 * to.stride + r.x1 * bytes;
    copyList[at + 1] = to.stride;
    copyList[at + 2] = from.offset + r.y1 * from.stride + r.x1 * bytes;
    copyList[at + 3] = from.stride;
    copyList[at + 4] = (r.x2 - r.x1) * bytes;
    copyList[at + 5] = r.y2 - r.y1;
    total += copyList[at + 4]! * copyList[at + 5]!;
    count += 1;
  }
  if (from.stride < from.width * bytes) return copyRows(to, from, count);
  if (count === 0) return 0;
  const [target, source] = [to.part.mapping, from.pool.mapping];
  if (work?.inThread(total) !== true) return native.copyRects(target, source, copyList, count, from.file);
  native.copyRectsInThread(target, source, copyList, count, from.file, later);
  return undefined;
}

/** The same for a buffer whose rows overlap, which no copy of a rectangle takes: row by row. */
function copyRows(to: LinkBuffer, from: AppBuffer, count: number): number {
  const row = new Float64Array(6);
  let copied = 0;
  for (let at = 0; at < 6 * count; at += 6) {
    for (let y = 0; y < copyList[at + 5]!; y++) {
      const bytes = copyList[at + 4]!;
      row.set([copyList[at]! + y * to.stride, bytes, copyList[at + 2]! + y * from.stride, bytes, bytes, 1]);
      copied += native.copyRects(to.part.mapping, from.pool.mapping, row, 1);
    }
  }
  return copied;
}
