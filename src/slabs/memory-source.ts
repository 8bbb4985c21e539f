/**
 * Where a client proxy's pixels live: host memory that both ends of the link see. There are two ways to it, behind one
 * interface. With the glue at the other end, the glue allocates, by the private extension `virtwl_memory_v1`. Without
 * it (a compositor that runs nested, as a window of the host's), this VM asks the allocator itself and hands the memory
 * over as an ordinary `wl_shm` pool.
 */
import type { AllocatorClient } from '../allocator/client.js';
import { Memory } from '../virtwl/vfd.js';
import type { InterfaceName } from '../wayland/message-types.js';
import type { Global } from '../wayland/global-table.js';
import { Verdict } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import type { RelayObject } from '../relay/object-map.js';
import type { Relay } from '../relay/relay.js';

/** One slab as a source gives it: the memory, and the `wl_shm_pool` over it on the link. */
export interface SlabGrant<Pool = RelayObject<'wl_shm_pool'>> {
  /** The caller's to close, after mapping it for instance. */
  readonly memory: Memory;
  /** A `wl_shm_pool` that begins at the first byte of the memory: a relay's object, or a client's own. */
  readonly pool: Pool;
  /** Destroys pool and slab on the link. */
  release(): void;
}

/** Gives slabs for one relayed connection. */
export interface MemorySource<Pool = RelayObject<'wl_shm_pool'>> {
  /** A slab of `size` bytes. Rejects with an error that says why there is none. */
  allocate(size: number): Promise<SlabGrant<Pool>>;
}

/** The largest `wl_shm_pool`: its size is an int, and a slab is whole pages. */
const MAX_POOL_BYTES = 0x7ffff000;

function tooLarge(size: number): RangeError {
  return new RangeError(`a slab of ${size} bytes: a pool has at most ${MAX_POOL_BYTES}`);
}

/** Slabs of the glue at the other end. */
export class GlueMemory implements MemorySource {
  readonly #relay: Relay;
  readonly #extension: RelayObject<'virtwl_memory_v1'>;

  /** `global`: where the link's registry (`registry`, the relay's own) announced `virtwl_memory_v1`. */
  constructor(relay: Relay, registry: RelayObject<'wl_registry'>, global: Global) {
    this.#relay = relay;
    this.#extension = bindGlobal(relay, registry, global.name, 'virtwl_memory_v1', 1);
  }

  allocate(size: number): Promise<SlabGrant> {
    const relay = this.#relay;
    if (size > MAX_POOL_BYTES) return Promise.reject(tooLarge(size));
    return new Promise((resolve, reject) => {
      const answer: SlabAnswer = {
        memory: memory => {
          let pool: RelayObject<'wl_shm_pool'>;
          try {
            pool = relay.inject('wl_shm_pool', 1);
          } catch (error) {
            memory.close();
            throw error;
          }
          relay.request(slab, 'create_pool', { id: pool });
          resolve({
            memory,
            pool,
            release: () => {
              relay.request(pool, 'destroy', {});
              relay.request(slab, 'destroy', {});
            },
          });
        },
        refused: reason => {
          relay.request(slab, 'destroy', {});
          reject(new Error(reason));
        },
      };
      const slab = relay.inject('virtwl_slab_v1', 1, answer);
      relay.request(this.#extension, 'allocate', { id: slab, size });
      relay.flush();
    });
  }
}

interface SlabAnswer {
  memory(memory: Memory): void;
  refused(reason: string): void;
}

/** Who waits for the slab. It is told once: another answer would be another memory that nobody closes. */
function onlyAnswer(slab: RelayObject): SlabAnswer {
  const answer = slab.data as SlabAnswer | undefined;
  if (answer === undefined) throw new Error('the glue answered twice for one slab');
  slab.data = undefined;
  return answer;
}

/** What {@link GlueMemory} needs in the relay's rules. */
export const slabAnswers: Concern = {
  name: 'slab answers',
  events: {
    virtwl_slab_v1: {
      memory(call) {
        if (!(call.peekFd() instanceof Memory)) throw new Error('the glue sent a slab that is no memory');
        const answer = onlyAnswer(call.object);
        answer.memory((call.takeFd() as Memory).withSize(call.args.size));
        return Verdict.Drop;
      },
      refused({ object, args }) {
        onlyAnswer(object).refused(args.message);
        return Verdict.Drop;
      },
    },
  },
};

/** Slabs of this VM's own right to allocate. */
export class AllocatorMemory implements MemorySource {
  readonly #relay: Relay;
  readonly #allocator: AllocatorClient;
  readonly #shm: RelayObject<'wl_shm'>;

  /** `global`: where the link's registry announced `wl_shm`. The allocator connection is lent. */
  constructor(relay: Relay, registry: RelayObject<'wl_registry'>, global: Global, allocator: AllocatorClient) {
    this.#relay = relay;
    this.#allocator = allocator;
    this.#shm = bindGlobal(relay, registry, global.name, 'wl_shm', 1);
  }

  async allocate(size: number): Promise<SlabGrant> {
    if (size > MAX_POOL_BYTES) throw tooLarge(size);
    const memory = await this.#allocator.allocate(size);
    const relay = this.#relay;
    try {
      if (relay.closed) throw new Error('the connection closed while memory was on its way');
      const pool = relay.inject('wl_shm_pool', 1);
      relay.request(this.#shm, 'create_pool', { id: pool, fd: memory.share(), size });
      return { memory, pool, release: () => relay.request(pool, 'destroy', {}) };
    } catch (error) {
      memory.close();
      throw error;
    }
  }
}

/** Binds a global for the relay's own use. `number` is the registry's name for it. */
export function bindGlobal<N extends InterfaceName>(
  relay: Relay,
  registry: RelayObject<'wl_registry'>,
  number: number,
  name: N,
  version: number,
): RelayObject<N> {
  const object = relay.inject(name, version);
  relay.request(registry, 'bind', { name: number, id: { interface: name, version, id: object.serverId } });
  return object;
}
