/**
 * The pixels of one `wl_surface` of the application. A commit copies what is damaged from the application's buffer into
 * a link buffer (host memory, which the compositor reads), puts that in its place, and gives the application its buffer
 * back at once; unless the compositor has not read what it got before: then the commit waits, and the buffer with it.
 *
 * A surface has as many link buffers as the compositor holds at a time, usually two. Each remembers what has changed
 * since it was written last (`stale`), so that every byte that must be copied is copied once, and no other.
 */
import { native } from '../system/native.js';
import { ProtocolError } from '../relay/call.js';
import type { RelayObject } from '../relay/object-map.js';
import type { Relay } from '../relay/relay.js';
import type { AppBuffer } from './app-pool.js';
import type { LinkMemory, SlabPart } from '../slabs/link-memory.js';
import { WlDisplayError, WlShmError } from '../wayland/protocols/wayland.js';
import { linkStride } from '../wayland/shm-formats.js';
import { MAX_RECTS, Region, type Rect } from '../wayland/region.js';
import { initialGeometry, surfaceToBuffer, type SurfaceGeometry } from './surface-geometry.js';

/** Link buffers that are kept although the compositor holds none of them: the next frame and the one after it. */
const IDLE_LINK_BUFFERS = 2;
/**
 * Link buffers of a surface that a compositor may hold before we wait for it: one shown, one cached or on its way, one
 * of a layout that changes. What is beyond it waits until one is released, or until the compositor has read all that was
 * said and holds on nevertheless: one that is stopped holds no more than this, and the application's buffers stay busy
 * as they would with the compositor itself.
 */
export const MAX_UNREAD_LINK_BUFFERS = 3;
/** Damage rectangles in surface coordinates that wait for a commit; past it, everything counts as damaged. */
const MAX_PENDING_RECTS = 256;

const EVERYTHING: Rect = { x1: 0, y1: 0, x2: 0x7fffffff, y2: 0x7fffffff };

/** A buffer on the link, in host memory. */
export class LinkBuffer {
  /** Attached or committed, and not released by the compositor. */
  busy = false;
  /** What the surface has changed since this buffer was written. */
  readonly stale = new Region();
  /** Not wanted any more: to be destroyed as soon as the compositor lets go. */
  retired = false;

  constructor(
    readonly object: RelayObject<'wl_buffer'>,
    readonly part: SlabPart,
    readonly width: number,
    readonly height: number,
    readonly stride: number,
    readonly format: number,
  ) {}
}

/** Rows for native.copyRects: six numbers a rectangle, for the largest region there can be. */
const copyList = new Float64Array(6 * (MAX_RECTS + 1));

const TRUNCATED = 'error accessing the buffer: the file of its pool is shorter than the pool';

/** A buffer of the application as it was attached: its wl_buffer, which may be destroyed since, and the offset. */
interface Attached {
  readonly buffer: AppBuffer;
  readonly object: RelayObject<'wl_buffer'>;
  readonly x: number;
  readonly y: number;
}

/** What a commit needs besides the surface. */
export interface CopyCounters {
  /** Commits that brought a buffer. */
  frames: number;
  bytesCopied: number;
}

export class AppSurface {
  readonly geometry: SurfaceGeometry = initialGeometry();
  readonly #relay: Relay;
  readonly #memory: LinkMemory;
  readonly #counters: CopyCounters;
  readonly #buffers: LinkBuffer[] = [];
  readonly #surfaceDamage: Rect[] = [];
  readonly #bufferDamage = new Region();
  /** What is to be attached by the next commit, retained. */
  #pending: Attached | undefined;
  /** The link buffer that the compositor was last given to show; undefined when it shows none. */
  #current: LinkBuffer | undefined;
  /** Since the last commit, an attach of something else went to the compositor. */
  #forwarded = false;
  /** Link buffers that are retired and still busy. */
  #retiredBusy = 0;
  /** Whether the compositor has read everything up to here while a commit waits; undefined: no commit waits. */
  #waiting: { read: boolean } | undefined;

  constructor(relay: Relay, memory: LinkMemory, counters: CopyCounters) {
    this.#relay = relay;
    this.#memory = memory;
    this.#counters = counters;
  }

  /** wl_surface.attach of one of the application's own buffers; undefined: of anything else, which is forwarded. */
  attach(attached: Attached | undefined): void {
    this.#pending?.buffer.release();
    attached?.buffer.retain();
    this.#pending = attached;
    if (attached === undefined) this.#forwarded = true;
  }

  /** wl_surface.damage */
  damageSurface(x: number, y: number, width: number, height: number): void {
    if (this.#surfaceDamage.length < MAX_PENDING_RECTS) {
      this.#surfaceDamage.push({ x1: x, y1: y, x2: x + width, y2: y + height });
    } else {
      this.#bufferDamage.add(EVERYTHING);
    }
  }

  /** wl_surface.damage_buffer */
  damageBuffer(x: number, y: number, width: number, height: number): void {
    this.#bufferDamage.add({ x1: x, y1: y, x2: x + width, y2: y + height });
  }

  /**
   * Brings the pixels of the pending buffer over and attaches their copy. The commit itself is forwarded afterwards.
   * Returns false when there is no memory for it yet: commit again when {@link LinkMemory} says that it arrived. And when
   * the compositor holds {@link MAX_UNREAD_LINK_BUFFERS}: the relay's requests are resumed when that has changed.
   * Throws when there will be none, and when the pool's file is shorter than the application said.
   */
  commit(surface: RelayObject<'wl_surface'>): boolean {
    const pending = this.#pending;
    if (pending === undefined) {
      if (this.#forwarded) this.#showNone();
      this.#forwarded = false;
      this.#forgetDamage();
      return true;
    }
    const { buffer } = pending;
    const damage = this.#damageOf(buffer);
    let target = this.#current;
    // A frame without damage shows what is shown already.
    const same = target !== undefined && damage.empty && target.stale.empty && fits(target, buffer);
    const moved = pending.x !== 0 || pending.y !== 0 || this.#forwarded;
    if (target === undefined || !same || (target.busy && moved)) {
      target = this.#target(buffer);
      if (target === undefined) return false;
      for (const other of this.#buffers) if (other !== target) other.stale.addRegion(damage);
      this.#copy(pending, target, damage);
    }
    // A buffer that is attached twice is released once or twice, nobody knows: what is shown already stays attached.
    if (!target.busy) this.#relay.request(surface, 'attach', { buffer: target.object, x: pending.x, y: pending.y });
    this.#pending = undefined;
    this.#forwarded = false;
    this.#forgetDamage();
    this.#counters.frames += 1;
    this.#current = target;
    target.busy = true;
    if (!pending.object.destroyed) this.#relay.emitEvent(pending.object, 'release', {});
    buffer.release();
    return true;
  }

  /** The application destroyed the surface. Buffers that the compositor still shows go when it lets go. */
  destroy(): void {
    this.attach(undefined);
    this.#current = undefined;
    for (const buffer of [...this.#buffers]) this.#retire(buffer);
  }

  /** The compositor released a link buffer of this surface. */
  released(buffer: LinkBuffer): void {
    if (buffer.retired && buffer.busy) this.#retiredBusy -= 1;
    buffer.busy = false;
    if (this.#waiting !== undefined) {
      this.#waiting = undefined;
      // Not from within the handling of an event: the commit runs when that is done.
      setImmediate(() => this.#relay.resume('requests'));
    }
    if (buffer.retired) {
      this.#destroyLinkBuffer(buffer);
      return;
    }
    let idle = 0;
    for (const other of this.#buffers) if (!other.busy) idle += 1;
    if (idle > IDLE_LINK_BUFFERS && buffer !== this.#current) this.#retire(buffer);
  }

  #damageOf(buffer: AppBuffer): Region {
    const damage = new Region();
    damage.addRegion(this.#bufferDamage);
    for (const rect of this.#surfaceDamage) {
      damage.add(surfaceToBuffer(rect, this.geometry, buffer.width, buffer.height));
    }
    damage.clip(buffer.width, buffer.height);
    return damage;
  }

  /** The compositor shows nothing of ours. Whatever comes next is new to it as a whole, damaged or not. */
  #showNone(): void {
    this.#current = undefined;
    for (const { stale, width, height } of this.#buffers) stale.add({ x1: 0, y1: 0, x2: width, y2: height });
  }

  #forgetDamage(): void {
    this.#surfaceDamage.length = 0;
    this.#bufferDamage.clear();
  }

  /** A link buffer that the compositor does not read, with the least to copy; a new one if there is none. */
  #target(buffer: AppBuffer): LinkBuffer | undefined {
    let best: LinkBuffer | undefined;
    for (const candidate of [...this.#buffers]) {
      if (!fits(candidate, buffer)) {
        // The window has another size now: what has the old one serves nobody.
        this.#retire(candidate);
      } else if (!candidate.busy && (best === undefined || candidate.stale.area < best.stale.area)) {
        best = candidate;
      }
    }
    if (best !== undefined) return best;
    if (!this.#mayHoldMore()) return undefined;
    const made = this.#newLinkBuffer(buffer);
    if (made !== undefined) this.#waiting = undefined;
    return made;
  }

  /** Whether another link buffer may become busy. If not, asks the compositor to say when it has read everything. */
  #mayHoldMore(): boolean {
    let busy = this.#retiredBusy;
    for (const each of this.#buffers) if (each.busy) busy += 1;
    if (busy < MAX_UNREAD_LINK_BUFFERS) return true;
    if (this.#waiting !== undefined) return this.#waiting.read;
    const waiting = { read: false };
    this.#waiting = waiting;
    this.#relay.sync(() => {
      if (this.#waiting !== waiting) return;
      waiting.read = true;
      setImmediate(() => this.#relay.resume('requests'));
    });
    this.#relay.flush();
    return false;
  }

  #newLinkBuffer(buffer: AppBuffer): LinkBuffer | undefined {
    const { width, height, format } = buffer;
    const stride = linkStride(width, buffer.bytesPerPixel);
    const part = this.#memory.take(stride * height);
    if (part === undefined) return undefined;
    const object = this.#relay.inject('wl_buffer', 1);
    this.#relay.request(part.pool, 'create_buffer', {
      id: object,
      offset: part.offset,
      width,
      height,
      stride,
      format,
    });
    const made = new LinkBuffer(object, part, width, height, stride, format);
    object.data = { surface: this, buffer: made } satisfies LinkBufferOwner;
    made.stale.add({ x1: 0, y1: 0, x2: width, y2: height });
    this.#buffers.push(made);
    return made;
  }

  #copy(pending: Attached, to: LinkBuffer, damage: Region): void {
    const from = pending.buffer;
    const region = to.stale;
    region.addRegion(damage);
    const bytes = from.bytesPerPixel;
    let count = 0;
    for (const r of region.rects) {
      const at = 6 * count;
      copyList[at] = to.part.offset + r.y1 * to.stride + r.x1 * bytes;
      copyList[at + 1] = to.stride;
      copyList[at + 2] = from.offset + r.y1 * from.stride + r.x1 * bytes;
      copyList[at + 3] = from.stride;
      copyList[at + 4] = (r.x2 - r.x1) * bytes;
      copyList[at + 5] = r.y2 - r.y1;
      count += 1;
    }
    if (from.stride < from.width * bytes) this.#copyRows(to, from, count);
    else if (count > 0) {
      this.#counters.bytesCopied += native.copyRects(to.part.mapping, from.pool.mapping, copyList, count);
    }
    if (from.pool.mapping.faulted) {
      throw pending.object.destroyed
        ? new ProtocolError(1, WlDisplayError.implementation, TRUNCATED)
        : new ProtocolError(pending.object.clientId, WlShmError.invalid_fd, TRUNCATED);
    }
    region.clear();
  }

  /** The same for a buffer whose rows overlap, which no copy of a rectangle takes: row by row. */
  #copyRows(to: LinkBuffer, from: AppBuffer, count: number): void {
    const row = new Float64Array(6);
    for (let at = 0; at < 6 * count; at += 6) {
      for (let y = 0; y < copyList[at + 5]!; y++) {
        const bytes = copyList[at + 4]!;
        row.set([copyList[at]! + y * to.stride, bytes, copyList[at + 2]! + y * from.stride, bytes, bytes, 1]);
        this.#counters.bytesCopied += native.copyRects(to.part.mapping, from.pool.mapping, row, 1);
      }
    }
  }

  #retire(buffer: LinkBuffer): void {
    buffer.retired = true;
    if (buffer === this.#current) this.#current = undefined;
    const place = this.#buffers.indexOf(buffer);
    if (place >= 0) this.#buffers.splice(place, 1);
    if (buffer.busy) this.#retiredBusy += 1;
    else this.#destroyLinkBuffer(buffer);
  }

  #destroyLinkBuffer(buffer: LinkBuffer): void {
    if (buffer.object.destroyed) return;
    this.#relay.request(buffer.object, 'destroy', {});
    buffer.part.free();
  }
}

/** `data` of a link buffer's `wl_buffer`. */
export interface LinkBufferOwner {
  readonly surface: AppSurface;
  readonly buffer: LinkBuffer;
}

function fits(link: LinkBuffer, app: AppBuffer): boolean {
  return link.width === app.width && link.height === app.height && link.format === app.format;
}
