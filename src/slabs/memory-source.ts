/**
 * Where a client proxy's pixels live: host memory that both ends of the link see. There are two ways to it, behind one
 * interface. With the glue at the other end, the glue allocates, by the private extension `virtwl_memory_v1`. Without
 * it (a compositor that runs nested, as a window of the host's), this VM asks the allocator itself and hands the memory
 * over as an ordinary `wl_shm` pool.
 */
import { AllocationRefused, type AllocatorClient } from '../allocator/client.js';
import { Memory } from '../virtwl/vfd.js';
import type { InterfaceName } from '../wayland/message-types.js';
import type { Global } from '../wayland/global-table.js';
import { Verdict } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import type { RelayObject } from '../relay/object-map.js';
import type { Relay } from '../relay/relay.js';

/** A slab on one connection. */
export interface SlabPool<Pool = RelayObject<'wl_shm_pool'>> {
  /** A `wl_shm_pool` that begins at the first byte of the memory: a relay's object, or a client's own. */
  readonly pool: Pool;
  /** Destroys pool and slab on the link. */
  release(): void;
}

/** One slab as a source gives it: the memory, and the `wl_shm_pool` over it on the link. */
export interface SlabGrant<Pool = RelayObject<'wl_shm_pool'>> extends SlabPool<Pool> {
  /** The caller's to close, after mapping it for instance. */
  readonly memory: Memory;
  /** By which other connections of this VM may join the slab; undefined: none may. */
  readonly key?: string | undefined;
}

/** There is no memory now, and why; there may be some when others have given theirs back. */
export class NoMemory extends Error {
  override readonly name = 'NoMemory';
}

/** Gives slabs for one relayed connection. */
export interface MemorySource<Pool = RelayObject<'wl_shm_pool'>> {
  /** A slab of `size` bytes. Rejects with {@link NoMemory}, or another error that says why there will be none. */
  allocate(size: number): Promise<SlabGrant<Pool>>;
  /** A slab that another connection was given, by its key. Rejects where it cannot be had. */
  join?(key: string): Promise<SlabPool<Pool>>;
}

/** The largest `wl_shm_pool`: its size is an int, and a slab is whole pages. */
const MAX_POOL_BYTES = 0x7ffff000;

/** `virtwl_slab_v1.refused`: no slab can have that size. */
const BAD_SIZE = 1;

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
    this.#extension = bindGlobal(relay, registry, global.name, 'virtwl_memory_v1', Math.min(global.version, 2));
  }

  allocate(size: number): Promise<SlabGrant> {
    if (size > MAX_POOL_BYTES) return Promise.reject(tooLarge(size));
    return new Promise((resolve, reject) => {
      const answer = new SlabAnswer('memory', reject, (slab, memory) => {
        let pool: SlabPool;
        try {
          pool = this.#poolOf(slab);
        } catch (error) {
          memory!.close();
          throw error;
        }
        resolve({ memory: memory!, key: answer.key, ...pool });
      });
      this.#ask(answer, id => this.#relay.request(this.#extension, 'allocate', { id, size }));
    });
  }

  join(key: string): Promise<SlabPool> {
    if (this.#extension.version < 2) return Promise.reject(new Error('the glue shares no slabs'));
    return new Promise((resolve, reject) => {
      const answer = new SlabAnswer('joined', reject, slab => resolve(this.#poolOf(slab)));
      this.#ask(answer, id => this.#relay.request(this.#extension, 'join', { id, key }));
    });
  }

  #ask(answer: SlabAnswer, request: (slab: SlabObject) => void): void {
    const relay = this.#relay;
    request(relay.inject('virtwl_slab_v1', this.#extension.version, answer));
    relay.flush();
  }

  #poolOf(slab: SlabObject): SlabPool {
    const relay = this.#relay;
    const pool = relay.inject('wl_shm_pool', 1);
    relay.request(slab, 'create_pool', { id: pool });
    return {
      pool,
      release: () => {
        relay.request(pool, 'destroy', {});
        relay.request(slab, 'destroy', {});
      },
    };
  }
}

type SlabObject = RelayObject<'virtwl_slab_v1'>;

/** Who waits for a slab. */
class SlabAnswer {
  key: string | undefined;

  constructor(
    /** The event that answers, if not `refused`. */
    readonly event: 'memory' | 'joined',
    readonly reject: (error: Error) => void,
    /** The slab is there; its memory comes with it where that was asked for, and is the callee's. */
    readonly resolve: (slab: SlabObject, memory?: Memory) => void,
  ) {}
}

/** Who waits for the slab. It is told once: another answer would be another memory that nobody closes. */
function onlyAnswer(slab: RelayObject, event: SlabAnswer['event'] | 'refused'): SlabAnswer {
  const answer = slab.data as SlabAnswer | undefined;
  if (answer === undefined) throw new Error('the glue answered twice for one slab');
  if (event !== answer.event && event !== 'refused') throw new Error(`the glue answered by "${event}" for a slab`);
  slab.data = undefined;
  return answer;
}

/** What {@link GlueMemory} needs in the relay's rules. `short` is told how many bytes another client was refused. */
export const slabAnswers = (short: (bytes: number) => void): Concern => ({
  name: 'slab answers',
  events: {
    virtwl_memory_v1: {
      short({ args }) {
        short(args.bytes);
        return Verdict.Drop;
      },
    },
    virtwl_slab_v1: {
      memory(call) {
        if (!(call.peekFd() instanceof Memory)) throw new Error('the glue sent a slab that is no memory');
        const { resolve } = onlyAnswer(call.object, 'memory');
        resolve(call.object, (call.takeFd() as Memory).withSize(call.args.size));
        return Verdict.Drop;
      },
      refused({ relay, object, args }) {
        const { reject } = onlyAnswer(object, 'refused');
        relay.request(object, 'destroy', {});
        reject(args.reason === BAD_SIZE ? new Error(args.message) : new NoMemory(args.message));
        return Verdict.Drop;
      },
      key({ object, args }) {
        if (object.data instanceof SlabAnswer) object.data.key = args.key;
        return Verdict.Drop;
      },
      joined({ object }) {
        onlyAnswer(object, 'joined').resolve(object);
        return Verdict.Drop;
      },
    },
  },
});

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
    const memory = await this.#allocator.allocate(size).catch((error: Error) => {
      throw error instanceof AllocationRefused ? new NoMemory(error.message, { cause: error }) : error;
    });
    const relay = this.#relay;
    try {
      if (relay.closed) throw new Error('the connection closed while memory was on its way');
      const pool = relay.inject('wl_shm_pool', 1);
      relay.request(this.#shm, 'create_pool', { id: pool, fd: memory.share(), size: memory.poolBytes(size) });
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
