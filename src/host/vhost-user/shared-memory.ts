/**
 * The books over one shared memory (virtio: shared memory region), the guest's window onto memory of the host: which part of
 * it shows what. Each mapping takes a memory slot of the VMM, and too many of them end the VM, so their number is
 * bounded here. A place is used again only when the front-end has said that nothing is mapped there any more.
 *
 * The front-end may be asked to map only while its device runs (QEMU crashes otherwise). What is to be mapped or unmapped
 * while it does not run waits until it does, or goes with the front-end.
 *
 * A reset may take all mappings away (QEMU's does) or leave them, so after one the front-end is asked to unmap what was
 * there, and whatever it says, nothing is.
 */
import type { OwnedFd } from '../../system/fd.js';
import { native } from '../../system/native.js';
import { Ranges } from '../../system/ranges.js';
import type { BackendRequests } from './backend-requests.js';

/**
 * Most mappings. Each takes one of the VMM's memory slots, of which QEMU has 512 for vhost, guest memory included, and
 * dies when they are passed. The rest stays for the guest's own memory, of which a PC has some ten pieces.
 */
export const MAX_MAPPINGS = 480;

/** The guest for which a place is that is not used any more. */
const NEVER = Infinity;

/**
 * The mapping slots of one VM: what all of its devices have mapped counts together, since the VMM has one table for them.
 */
export class MappingSlots {
  readonly #memories = new Set<SharedMemory>();

  /**
   * `limit`: mappings at a time, at most {@link MAX_MAPPINGS}.
   *
   * @throws RangeError over that
   */
  constructor(readonly limit: number) {
    if (limit > MAX_MAPPINGS) throw new RangeError(`${limit} mappings: the VMM has room for ${MAX_MAPPINGS} at most`);
  }

  get used(): number {
    let used = 0;
    for (const memory of this.#memories) used += memory.mappings;
    return used;
  }

  /** Whether any device of the VM has mapped this memory, or is about to. */
  shows(memory: OwnedFd): boolean {
    const file = fileOf(memory);
    for (const each of this.#memories) if (each.showsFile(file)) return true;
    return false;
  }

  /** Counts this one's mappings. */
  add(memory: SharedMemory): void {
    this.#memories.add(memory);
  }

  /** The VMM of this one is gone, and its mappings with it. */
  remove(memory: SharedMemory): void {
    this.#memories.delete(memory);
  }
}

/** What the front-end is asked. */
export type MappingRequests = Pick<BackendRequests, 'map' | 'unmap'>;

/** A mapping, by its offset. */
interface GuestMapping {
  readonly length: number;
  /** Which file it shows. */
  readonly file: string;
  /** The guest for which it was made. */
  readonly generation: number;
}

export class SharedMemory {
  readonly #places: Ranges;
  readonly #mapped = new Map<number, GuestMapping>();
  /** Offsets that are to be unmapped when the device runs again. */
  readonly #stale = new Set<number>();
  /** Calls that wait for the device to run: told whether it does. */
  #waiting: ((running: boolean) => void)[] = [];
  #running = false;
  /** Calls that wait for a mapping to be undone. */
  #forPlace: (() => void)[] = [];
  #unmapping = 0;
  /** Counts guests: what is asked for one is not for the next. */
  #generation = 0;
  #requests: MappingRequests | undefined;
  #id = 0;

  /** `bytes`: its size. `slots`: those of the VM, in which its mappings count until {@link close}. */
  constructor(
    readonly bytes: number,
    private readonly slots: MappingSlots,
    private readonly log: (line: string) => void,
  ) {
    this.#places = new Ranges(bytes);
    slots.add(this);
  }

  /** Mappings that are there, or being made or undone. */
  get mappings(): number {
    return this.#places.count;
  }

  // ---- for the device ------------------------------------------------------------------------------------------------

  /**
   * Shows memory to the guest, and resolves to its offset, or to undefined when there is no place or the VMM refuses.
   * `at`: where, for a guest that chooses the place itself; a place where something is, or no whole page, is refused.
   * `memory` is lent until then. Never rejects.
   */
  async map(memory: OwnedFd, bytes: number, writable: boolean, at?: number): Promise<number | undefined> {
    const generation = this.#generation;
    const length = Math.ceil(bytes / native.pageSize) * native.pageSize;
    for (;;) {
      if (!this.#running && !(await new Promise<boolean>(resolve => this.#waiting.push(resolve)))) return undefined;
      const requests = this.#requests;
      if (requests === undefined) {
        this.log('no memory can be mapped: the front-end cannot do it (it needs SHMEM of vhost-user)');
        return undefined;
      }
      const { used, limit } = this.slots;
      if (used >= limit && this.#unmapping > 0) {
        await new Promise<void>(resolve => this.#forPlace.push(resolve));
        continue;
      }
      if (used >= limit) {
        this.log(`no further memory can be mapped: ${used} pieces are`);
        return undefined;
      }
      const offset = at === undefined ? this.#places.allocate(bytes, native.pageSize) : this.#claim(at, length);
      // Where the guest chooses, the place may be one that is just being given back, by this guest or the one before.
      if (offset === undefined && at !== undefined && (this.#unmapping > 0 || this.#hasFormer())) {
        await new Promise<void>(resolve => this.#forPlace.push(resolve));
        continue;
      }
      if (offset === undefined) {
        const where = at === undefined ? 'in the shared memory' : `at 0x${at.toString(16)}, which the guest has chosen`;
        this.log(`no place for ${bytes} bytes ${where}: ${this.#places.used} of ${this.bytes} are in use`);
        return undefined;
      }
      this.#mapped.set(offset, { length, file: fileOf(memory), generation });
      const outcome = await requests.map(this.#id, memory, offset, length, writable);
      if (outcome === 'done') return offset;
      this.#forget(offset);
      if (outcome === 'refused') this.log(`the front-end refused to map ${bytes} bytes`);
      if (outcome === 'refused' || generation !== this.#generation) return undefined;
    }
  }

  /** Undoes what {@link map} did at this offset, now or when the device runs. */
  unmap(offset: number): void {
    if (!this.#running) {
      this.#stale.add(offset);
      return;
    }
    const { length, generation } = this.#mapped.get(offset)!;
    this.#unmapping++;
    void (this.#requests?.unmap(this.#id, offset, length) ?? Promise.resolve('refused' as const)).then(outcome => {
      this.#unmapping--;
      for (const retry of this.#forPlace.splice(0)) retry();
      if (outcome === 'stopped') this.unmap(offset);
      else if (outcome === 'done' || generation !== this.#generation) this.#forget(offset);
      else {
        // A place that may still show something is never used again.
        this.#mapped.set(offset, { ...this.#mapped.get(offset)!, generation: NEVER });
        this.log(`the front-end did not unmap ${length} bytes`);
      }
    });
  }

  // ---- for the back-end ----------------------------------------------------------------------------------------------

  /** The front-end can be asked, by virtio's id of this shared memory. Replaces what was said before. */
  connect(requests: MappingRequests, id: number): void {
    this.#requests = requests;
    this.#id = id;
  }

  /** Whether this is a descriptor of memory that is mapped, or about to be, by this device of the VM or another. */
  shows(memory: OwnedFd): boolean {
    return this.slots.shows(memory);
  }

  /** Whether this file is mapped here, or about to be. */
  showsFile(file: string): boolean {
    for (const mapping of this.#mapped.values()) if (mapping.file === file) return true;
    return false;
  }

  /** Tells whether the front-end runs the device. */
  run(running: boolean): void {
    this.#running = running;
    if (!running) return;
    for (const answer of this.#waiting.splice(0)) answer(true);
    const stale = [...this.#stale];
    this.#stale.clear();
    for (const offset of stale) this.unmap(offset);
  }

  /** There was a reset. Refuses what waits for the device to run: it is for a guest that is gone. */
  abandon(): void {
    this.#generation++;
    for (const answer of this.#waiting.splice(0)) answer(false);
  }

  /** The front-end is gone: nothing of it is mapped any more. */
  close(): void {
    this.abandon();
    this.slots.remove(this);
  }

  /** Whether something of a guest that is gone is still to be unmapped. */
  #hasFormer(): boolean {
    for (const { generation } of this.#mapped.values()) if (generation < this.#generation) return true;
    return false;
  }

  #claim(offset: number, length: number): number | undefined {
    return offset % native.pageSize === 0 && this.#places.claim(offset, length) ? offset : undefined;
  }

  #forget(offset: number): void {
    this.#mapped.delete(offset);
    this.#places.free(offset);
    for (const retry of this.#forPlace.splice(0)) retry();
  }
}

function fileOf(memory: OwnedFd): string {
  const { device, inode } = memory.info();
  return `${device}:${inode}`;
}
