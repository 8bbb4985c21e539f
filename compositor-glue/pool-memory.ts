/**
 * Memory that the compositor has mapped for a client. A `wl_shm_pool` keeps it there, and after that every buffer that was
 * made of the pool: destroying the pool, or the slab under it, gives nothing back while there is one.
 */
import { Verdict, type Call, type Handlers } from '../src/relay/call.js';

/** `data` of a `wl_shm_pool`, and of every `wl_buffer` made of it. */
export class PoolMemory {
  /** The pool, and its buffers. */
  #users = 1;

  /** `gone` is called once, when nothing of the client's keeps the memory in the compositor any more. */
  constructor(
    /** The client's own memory may grow, a slab may not. */
    readonly resizable: boolean,
    private readonly gone: () => void,
  ) {}

  retain(): void {
    this.#users += 1;
  }

  release(): void {
    this.#users -= 1;
    if (this.#users === 0) this.gone();
  }
}

/** Handlers that follow pools and buffers from their making to their end. */
export const poolRequests = {
  wl_shm_pool: {
    create_buffer: call => {
      const { relay, object } = call;
      const memory = memoryOf(call);
      const buffer = relay.adopt('wl_buffer', object.version, call.uint(0), false, memory);
      memory?.retain();
      const layout = [call.int(1), call.int(2), call.int(3), call.int(4), call.uint(5)];
      relay.request(object, 'create_buffer', [buffer.serverId, ...layout]);
      return Verdict.Drop;
    },
    destroy: released,
  },
  wl_buffer: { destroy: released },
} satisfies Readonly<Record<string, Handlers>>;

function released(call: Call): Verdict {
  memoryOf(call)?.release();
  return Verdict.Forward;
}

/** Buffers that are no memory (wp_single_pixel_buffer) have none. */
function memoryOf(call: Call): PoolMemory | undefined {
  return call.object.data instanceof PoolMemory ? call.object.data : undefined;
}
