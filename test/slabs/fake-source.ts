/** A source of slabs that gives, refuses and dawdles as a test says. */
import { LinkMemory, type LinkMemoryOptions, type SlabPart } from '../../src/slabs/link-memory.js';
import { NoMemory, type MemorySource, type SlabGrant, type SlabPool } from '../../src/slabs/memory-source.js';
import { native } from '../../src/system/native.js';
import { Memory } from '../../src/virtwl/vfd.js';
import { settle } from '../relay/peer.js';

export class FakeSource implements MemorySource<number> {
  readonly asked: number[] = [];
  readonly joined: string[] = [];
  readonly released: number[] = [];
  largest = Infinity;
  /** Whether slabs can be joined, and whether they are. */
  joining: 'no' | 'granted' | 'refused' | 'never' = 'no';
  /** Bytes that are missing from what is given. */
  short = 0;
  waiting: (() => void)[] | undefined;
  #pools = 0;

  allocate(size: number): Promise<SlabGrant<number>> {
    this.asked.push(size);
    if (size > this.largest) return Promise.reject(new NoMemory(`${size} bytes are too many`));
    const pool = this.#pool();
    const grant = (): SlabGrant<number> => ({
      memory: new Memory(native.memfd('virtwl-slab', size - this.short, 0), size - this.short, size - this.short),
      key: this.joining === 'no' ? undefined : `key ${pool.pool}`,
      ...pool,
    });
    if (this.waiting === undefined) return Promise.resolve(grant());
    return new Promise(resolve => this.waiting!.push(() => resolve(grant())));
  }

  join(key: string): Promise<SlabPool<number>> {
    this.joined.push(key);
    if (this.joining === 'granted') return Promise.resolve(this.#pool());
    return this.joining === 'never' ? new Promise(() => {}) : Promise.reject(new Error('no such slab'));
  }

  #pool(): SlabPool<number> {
    const pool = ++this.#pools;
    return { pool, release: () => this.released.push(pool) };
  }
}

/** A connection's memory over a source of its own. */
export function memory(options: LinkMemoryOptions = {}) {
  const source = new FakeSource();
  const arrivals = { count: 0 };
  const made = new LinkMemory<number>(source, () => (arrivals.count += 1), options);
  return { source, memory: made, arrivals };
}

/** A part, which may be on its way. */
export async function taken(m: LinkMemory<number>, bytes: number): Promise<SlabPart<number>> {
  const part = m.take(bytes) ?? (await settle(2), m.take(bytes));
  if (part === undefined) throw new Error('no part');
  return part;
}
