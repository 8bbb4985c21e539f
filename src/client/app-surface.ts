/**
 * The pixels of one `wl_surface` of the application. A commit copies what is damaged from the application's buffer into
 * a link buffer (host memory, which the compositor reads), puts that in its place, and gives the application its buffer
 * back at once; unless the compositor holds as many as it may: then the commit waits, and the buffer with it.
 *
 * A surface has as many link buffers as the compositor holds at a time, usually two. Each remembers what has changed
 * since it was written last (`stale`), so that every byte that must be copied is copied once, and no other.
 */
import type { Latencies } from '../observe/latencies.js';
import type { RelayObject } from '../relay/object-map.js';
import type { Relay } from '../relay/relay.js';
import type { AppBuffer } from './app-pool.js';
import type { LinkMemory, SlabPart } from '../slabs/link-memory.js';
import { LARGE_BYTES } from '../slabs/slab-arena.js';
import { linkStride } from '../wayland/shm-formats.js';
import type { Region } from '../wayland/region.js';
import type { CopyTally } from './copy-tally.js';
import { LentFrames } from './lent-frames.js';
import { fits, LinkBuffer, type LinkBufferOwner } from './link-buffer.js';
import { checkIsWhole, copyPixels, type Attached, type Copying, type CopyWork } from './pixel-copy.js';
import { EVERYTHING, PendingDamage } from './pending-damage.js';
import { initialGeometry, isPlain, type SurfaceGeometry } from './surface-geometry.js';

/** Link buffers that are kept although the compositor holds none of them: the next frame and the one after it. */
const IDLE_LINK_BUFFERS = 2;
/**
 * Link buffers of a surface that a compositor may hold: one shown, one cached or on its way, one of a layout that changes.
 * The next commit that needs one waits for a release (`held-requests.ts`), and the application's buffer stays busy as it
 * would with the compositor itself.
 */
export const MAX_BUSY_LINK_BUFFERS = 3;
interface Offset {
  readonly x: number;
  readonly y: number;
}

const NOWHERE: Offset = { x: 0, y: 0 };

export class AppSurface {
  readonly #geometry: SurfaceGeometry = initialGeometry();
  readonly #relay: Relay;
  readonly #memory: LinkMemory;
  readonly #tally: CopyTally;
  readonly #lent: LentFrames;
  readonly #giveBack: (buffer: RelayObject<'wl_buffer'>) => void;
  readonly #spare: (bytes: number) => boolean;
  readonly #buffers: LinkBuffer[] = [];
  readonly #damage = new PendingDamage();
  /** What is to be attached by the next commit, retained. */
  #pending: Attached | undefined;
  /** The link buffer that the compositor was last given to show; undefined when it shows none. */
  #current: LinkBuffer | undefined;
  /** Since the last commit, an attach of something else went to the compositor. */
  #forwarded = false;
  /** Link buffers that are retired and still busy. */
  #retiredBusy = 0;
  /** What is pending was committed, so that its buffer is released when the next one takes its place, see {@link merge}. */
  #committed = false;
  /** The pending wl_surface.offset, and the sum of those that were merged. */
  #offset: Offset = NOWHERE;
  #mergedOffset: Offset = NOWHERE;
  /** Presentation feedback of the next commit. */
  #feedback: RelayObject[] = [];
  /** The copy of what is pending, by a thread, for which the commit waits; and bytes that were copied for it. */
  #copying: Copying | undefined;
  #copiedBytes = 0;

  /**
   * `giveBack` tells the application that a buffer of its own is free. `spare` says whether other windows could give up so
   * many bytes. `work`: all copies are made at once without. `latencies` is told how long the compositor had each buffer.
   */
  constructor(
    relay: Relay,
    memory: LinkMemory,
    tally: CopyTally,
    giveBack: (buffer: RelayObject<'wl_buffer'>) => void,
    spare: (bytes: number) => boolean = () => false,
    private readonly work?: CopyWork,
    private readonly latencies?: Latencies,
  ) {
    this.#relay = relay;
    this.#giveBack = giveBack;
    this.#spare = spare;
    this.#memory = memory;
    this.#tally = tally;
    this.#lent = new LentFrames(relay, tally, current => (this.#current = current));
  }

  /** What decides where damage of the surface lies in a buffer. */
  get geometry(): SurfaceGeometry {
    this.takeBack();
    return this.#geometry;
  }

  /** From now on, frames are the native pass's where they are as those before. */
  lend(surface: RelayObject<'wl_surface'>): void {
    if (this.#current === undefined || this.#pending !== undefined) return;
    this.#lent.lend(surface, this.#buffers, this.#current, isPlain(this.#geometry));
  }

  /** Ends that: so does whatever is said of the surface here. */
  takeBack(): void {
    this.#lent.takeBack();
  }

  /** wl_surface.attach of one of the application's own buffers; undefined: of anything else, which is forwarded. */
  attach(attached: Attached | undefined): void {
    this.takeBack();
    const { x, y } = this.#committed ? (this.#pending ?? NOWHERE) : NOWHERE;
    attached?.buffer.retain();
    this.#forgetCopy();
    this.#drop();
    this.#pending = attached === undefined ? undefined : { ...attached, x: attached.x + x, y: attached.y + y };
    if (attached === undefined) this.#forwarded = true;
  }

  /** wl_surface.offset. Returns what the compositor is to be told instead, where merged commits had offsets too. */
  offset(x: number, y: number): Offset | undefined {
    this.takeBack();
    const before = this.#mergedOffset;
    this.#offset = { x: before.x + x, y: before.y + y };
    return before.x === 0 && before.y === 0 ? undefined : this.#offset;
  }

  /** wp_presentation.feedback has made `object`, which tells of the next commit. */
  feedback(object: RelayObject): void {
    this.takeBack();
    this.#feedback.push(object);
  }

  /**
   * A commit is not said, since the next one follows: what was said for it is part of that one. Returns the presentation
   * feedback of this one, which is superseded.
   */
  merge(surface: RelayObject<'wl_surface'>): readonly RelayObject[] {
    this.takeBack();
    this.#forgetCopy();
    if (this.#pending !== undefined) this.#committed = true;
    this.#mergedOffset = this.#offset;
    if (this.#damage.settle(this.#pending?.buffer, this.#geometry)) {
      this.#relay.request(surface, 'damage', { x: 0, y: 0, width: EVERYTHING.x2, height: EVERYTHING.y2 });
    }
    const superseded = this.#feedback;
    this.#feedback = [];
    return superseded;
  }

  /** wl_surface.damage */
  damageSurface(x: number, y: number, width: number, height: number): void {
    this.takeBack();
    this.#damage.addOfSurface(x, y, width, height);
  }

  /** wl_surface.damage_buffer */
  damageBuffer(x: number, y: number, width: number, height: number): void {
    this.takeBack();
    this.#damage.addOfBuffer(x, y, width, height);
  }

  /**
   * Brings the pixels of the pending buffer over and attaches their copy. The commit itself is forwarded afterwards.
   * `copying`: a thread does that, commit again when it is done ({@link CopyWork}). `no memory`: it is on its way, commit
   * again when {@link LinkMemory} says that it arrived. `held`: the compositor holds
   * {@link MAX_BUSY_LINK_BUFFERS}, commit again when it has released one, or with `oneMore`.
   * Throws when there will be no memory, and when the pool's file is shorter than the application said.
   */
  commit(surface: RelayObject<'wl_surface'>, oneMore: boolean): 'done' | 'copying' | 'no memory' | 'held' {
    this.takeBack();
    const pending = this.#pending;
    if (pending === undefined) {
      if (this.#forwarded) this.#showNone();
      this.#forgetPending();
      return 'done';
    }
    const copying = this.#copying;
    if (copying !== undefined) {
      if (!copying.finished) return 'copying';
      this.#copying = undefined;
      copying.to.busy = false;
      checkIsWhole(pending);
      this.#show(surface, pending, copying.to);
      return 'done';
    }
    const { buffer } = pending;
    const damage = this.#damage.of(buffer, this.#geometry);
    let target = this.#current;
    // A frame without damage shows what is shown already.
    const same = target !== undefined && damage.empty && target.stale.empty && fits(target, buffer);
    const moved = pending.x !== 0 || pending.y !== 0 || this.#forwarded;
    if (target === undefined || !same || (target.busy && moved)) {
      target = this.#idle(buffer);
      if (target === undefined) {
        if (!oneMore && this.#busy() >= MAX_BUSY_LINK_BUFFERS) return 'held';
        target = this.#newLinkBuffer(buffer);
        if (target === undefined) return 'no memory';
      }
      for (const other of this.#buffers) if (other !== target) other.stale.addRegion(damage);
      if (!this.#copy(pending, target, damage)) return 'copying';
    }
    this.#show(surface, pending, target, !moved);
    return 'done';
  }

  /** Attaches the copy of what was pending. */
  #show(surface: RelayObject<'wl_surface'>, pending: Attached, target: LinkBuffer, alike = false): void {
    // A buffer that is attached twice is released once or twice, nobody knows: what is shown already stays attached.
    target.used = this.#tally.use();
    if (!target.busy) {
      this.#relay.request(surface, 'attach', { buffer: target.object, x: pending.x, y: pending.y });
      target.given = performance.now();
    }
    this.#tally.shown(Math.max(0, target.pixelBytes - this.#copiedBytes));
    this.#lent.shown(pending, alike && this.#feedback.length === 0);
    this.#current = target;
    target.busy = true;
    this.#committed = true;
    this.#drop();
    this.#forgetPending();
  }

  /** The application destroyed the surface. Buffers that the compositor still shows go when it lets go. */
  destroy(): void {
    this.#lent.end();
    this.#forgetCopy();
    this.#drop();
    this.#current = undefined;
    for (const buffer of [...this.#buffers]) this.#retire(buffer);
  }

  /** The compositor released a link buffer of this surface. */
  released(buffer: LinkBuffer): void {
    const { surface } = this.#lent;
    this.#lent.takeBack(false);
    this.#release(buffer);
    if (surface !== undefined) this.lend(surface);
  }

  #release(buffer: LinkBuffer): void {
    if (buffer.retired && buffer.busy) this.#retiredBusy -= 1;
    buffer.busy = false;
    if (buffer.given > 0) this.latencies?.add(performance.now() - buffer.given);
    buffer.given = 0;
    if (buffer.retired) {
      this.#destroyLinkBuffer(buffer);
      return;
    }
    let idle = 0;
    for (const other of this.#buffers) if (!other.busy) idle += 1;
    if (idle > IDLE_LINK_BUFFERS && buffer !== this.#current) this.#retire(buffer);
  }

  /** Width and height of what is attached, for people. */
  get nextSize(): string {
    const { width = 0, height = 0 } = this.#pending?.buffer ?? {};
    return `${width}x${height}`;
  }

  /** Link buffers that the compositor does not read. */
  idleBuffers(): LinkBuffer[] {
    this.takeBack();
    return this.#buffers.filter(({ busy }) => !busy);
  }

  /** Whether it has what the window shows, so that the next frame has the least to copy. */
  isShown(buffer: LinkBuffer): boolean {
    return buffer === this.#current;
  }

  /** Gives up one of {@link idleBuffers}: its memory is wanted elsewhere. */
  giveUp(buffer: LinkBuffer): void {
    this.#retire(buffer);
  }

  /** The compositor shows nothing of ours. Whatever comes next is new to it as a whole, damaged or not. */
  #showNone(): void {
    this.#current = undefined;
    for (const { stale, width, height } of this.#buffers) stale.add({ x1: 0, y1: 0, x2: width, y2: height });
  }

  /** Nothing is attached any more. A buffer that was committed is free. */
  #drop(): void {
    const pending = this.#pending;
    this.#pending = undefined;
    this.#copiedBytes = 0;
    if (pending === undefined) return;
    if (this.#committed) this.#giveBack(pending.object);
    this.#committed = false;
    pending.buffer.release();
  }

  /** A commit has gone through. */
  #forgetPending(): void {
    this.#forwarded = false;
    this.#damage.clear();
    this.#offset = this.#mergedOffset = NOWHERE;
    this.#feedback.length = 0;
  }

  /** A link buffer that the compositor does not read, with the least to copy. */
  #idle(buffer: AppBuffer): LinkBuffer | undefined {
    let best: LinkBuffer | undefined;
    for (const candidate of [...this.#buffers]) {
      if (!fits(candidate, buffer)) {
        // The window has another size now: what has the old one serves nobody.
        this.#retire(candidate);
      } else if (!candidate.busy && (best === undefined || candidate.stale.area < best.stale.area)) {
        best = candidate;
      }
    }
    return best;
  }

  /** Link buffers that the compositor holds. */
  #busy(): number {
    let busy = this.#retiredBusy;
    for (const each of this.#buffers) if (each.busy) busy += 1;
    return busy;
  }

  #newLinkBuffer(buffer: AppBuffer): LinkBuffer | undefined {
    const { width, height, format } = buffer;
    const stride = linkStride(width, buffer.bytesPerPixel);
    const part = this.#take(stride * height);
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

  #take(bytes: number): SlabPart | undefined {
    if (bytes < LARGE_BYTES || this.#buffers.length + this.#retiredBusy > 0) return this.#memory.take(bytes);
    return this.#memory.takeWithSpare(bytes, this.#spare);
  }

  /** Copies what `to` lacks of the pending buffer. False: a thread does it, see {@link CopyWork.done}. */
  #copy(pending: Attached, to: LinkBuffer, damage: Region): boolean {
    const from = pending.buffer;
    const region = to.stale;
    region.addRegion(damage);
    const copying: Copying = { to, finished: false };
    const copied = copyPixels(from, to, region, this.work, bytes => this.#copied(copying, bytes));
    from.wasRead();
    region.clear();
    if (copied === undefined) {
      // As long as it is written to it is nobody else's.
      to.busy = true;
      this.#copying = copying;
      return false;
    }
    this.#tally.copied(copied);
    this.#copiedBytes += copied;
    checkIsWhole(pending);
    return true;
  }

  /** A thread has copied. */
  #copied(copying: Copying, bytes: number): void {
    this.#tally.copied(bytes);
    copying.finished = true;
    if (this.#copying === copying) this.#copiedBytes += bytes;
    else this.released(copying.to);
    this.work!.done();
  }

  /** What a thread copies, or has copied, is not what the next commit brings. */
  #forgetCopy(): void {
    const copying = this.#copying;
    if (copying === undefined) return;
    this.#copying = undefined;
    const { to } = copying;
    to.stale.add({ x1: 0, y1: 0, x2: to.width, y2: to.height });
    if (copying.finished) this.released(to);
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
