/**
 * The books over the shared memory region: which part of the guest's window onto host memory shows what. Each piece takes
 * a memory slot of the VMM, and too many of them end the VM, so their number is bounded here. A place is used again only
 * when the front-end has said that nothing is mapped there any more.
 *
 * The front-end may be asked to map only while its device runs (QEMU crashes otherwise). What is to be mapped or unmapped
 * while it does not run waits until it does, or goes with the front-end.
 */
import { Regions } from '../../allocator/regions.js';
import type { OwnedFd } from '../../fd.js';
import { native } from '../../native.js';
import type { BackendRequests } from './backend-requests.js';
import { MAX_MAPPINGS } from './limits.js';
import { REGION_BYTES } from './wire.js';

export class SharedRegion {
  readonly #places = new Regions(REGION_BYTES);
  /** Length of each mapping by its offset. */
  readonly #mapped = new Map<number, number>();
  /** Offsets that are to be unmapped when the device runs again. */
  readonly #stale = new Set<number>();
  /** Who waits for the device to run: told whether it does. */
  #waiting: ((running: boolean) => void)[] = [];
  #running = false;

  constructor(
    private readonly limit: number,
    private readonly requests: () => BackendRequests | undefined,
    private readonly log: (line: string) => void,
  ) {
    if (limit > MAX_MAPPINGS) throw new RangeError(`${limit} mappings: the VMM has room for ${MAX_MAPPINGS} at most`);
  }

  /** Mappings that are there, or being made or undone. */
  get mappings(): number {
    return this.#places.count;
  }

  /** Maps memory; see `WlHost.map`. */
  async map(memory: OwnedFd, bytes: number, writable: boolean): Promise<number | undefined> {
    if (!this.#running && !(await new Promise<boolean>((resolve) => this.#waiting.push(resolve)))) return undefined;
    const requests = this.requests();
    if (requests === undefined) {
      this.log('no memory can be mapped: the front-end cannot do it (it needs SHMEM of vhost-user)');
      return undefined;
    }
    if (this.mappings >= this.limit) {
      this.log(`no further memory can be mapped: ${this.mappings} pieces are`);
      return undefined;
    }
    const offset = this.#places.allocate(bytes, native.pageSize);
    if (offset === undefined) {
      this.log(`no place for ${bytes} bytes in the shared memory region: ${this.#places.used} of ${REGION_BYTES} are in use`);
      return undefined;
    }
    const length = Math.ceil(bytes / native.pageSize) * native.pageSize;
    this.#mapped.set(offset, length);
    if (await requests.map(memory, offset, length, writable)) return offset;
    this.#mapped.delete(offset);
    this.#places.free(offset);
    this.log(`the front-end refused to map ${bytes} bytes`);
    return undefined;
  }

  unmap(offset: number): void {
    const requests = this.requests();
    if (!this.#running) {
      this.#stale.add(offset);
      return;
    }
    const length = this.#mapped.get(offset)!;
    void (requests?.unmap(offset, length) ?? Promise.resolve(false)).then((done) => {
      // A place that may still show something is never used again.
      if (!done) {
        this.log(`the front-end did not unmap ${length} bytes`);
        return;
      }
      this.#mapped.delete(offset);
      this.#places.free(offset);
    });
  }

  /** Refuses whoever waits for the device to run: what they wait with is of a guest that is gone. */
  abandon(): void {
    for (const answer of this.#waiting.splice(0)) answer(false);
  }

  /** Tells whether the front-end runs the device. */
  run(running: boolean): void {
    this.#running = running;
    if (!running) return;
    for (const answer of this.#waiting.splice(0)) answer(true);
    for (const offset of this.#stale) {
      this.#stale.delete(offset);
      this.unmap(offset);
    }
  }
}
