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
 * dies when they are passed. A good part of them stays for the guest's own memory.
 */
export const MAX_MAPPINGS = 448;

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

  /**
   * `bytes`: its size. `limit`: mappings at a time, at most {@link MAX_MAPPINGS}.
   *
   * @throws RangeError over that
   */
  constructor(
    readonly bytes: number,
    private readonly limit: number,
    private readonly log: (line: string) => void,
  ) {
    if (limit > MAX_MAPPINGS) throw new RangeError(`${limit} mappings: the VMM has room for ${MAX_MAPPINGS} at most`);
    this.#places = new Ranges(bytes);
  }

  /** Mappings that are there, or being made or undone. */
  get mappings(): number {
    return this.#places.count;
  }

  // ---- for the device ------------------------------------------------------------------------------------------------

  /**
   * Shows memory to the guest, and resolves to its offset, or to undefined when there is no place or the VMM refuses.
   * `memory` is lent until then. Never rejects.
   */
  async map(memory: OwnedFd, bytes: number, writable: boolean): Promise<number | undefined> {
    const generation = this.#generation;
    const length = Math.ceil(bytes / native.pageSize) * native.pageSize;
    for (;;) {
      if (!this.#running && !(await new Promise<boolean>(resolve => this.#waiting.push(resolve)))) return undefined;
      const requests = this.#requests;
      if (requests === undefined) {
        this.log('no memory can be mapped: the front-end cannot do it (it needs SHMEM of vhost-user)');
        return undefined;
      }
      if (this.mappings >= this.limit && this.#unmapping > 0) {
        await new Promise<void>(resolve => this.#forPlace.push(resolve));
        continue;
      }
      if (this.mappings >= this.limit) {
        this.log(`no further memory can be mapped: ${this.mappings} pieces are`);
        return undefined;
      }
      const offset = this.#places.allocate(bytes, native.pageSize);
      if (offset === undefined) {
        this.log(`no place for ${bytes} bytes in the shared memory: ${this.#places.used} of ${this.bytes} are in use`);
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
      // A place that may still show something is never used again.
      else this.log(`the front-end did not unmap ${length} bytes`);
    });
  }

  // ---- for the back-end ----------------------------------------------------------------------------------------------

  /** The front-end can be asked, by virtio's id of this shared memory. Replaces what was said before. */
  connect(requests: MappingRequests, id: number): void {
    this.#requests = requests;
    this.#id = id;
  }

  /** Whether this is a descriptor of memory that is mapped, or about to be. */
  shows(memory: OwnedFd): boolean {
    const file = fileOf(memory);
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

  #forget(offset: number): void {
    this.#mapped.delete(offset);
    this.#places.free(offset);
  }
}

function fileOf(memory: OwnedFd): string {
  const { device, inode } = memory.info();
  return `${device}:${inode}`;
}
