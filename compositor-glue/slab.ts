/**
 * The private extension of the link, `virtwl_memory_v1`: a remote client asks the glue for slabs of host memory. Each
 * is charged to the client's VM, given to the client as memory and, by `create_pool`, to the compositor as a
 * `wl_shm_pool` over the same bytes. The compositor never sees the extension's own objects. A slab is charged until it
 * is destroyed, nothing of it is left in the compositor, and the host says that nobody holds its memory, not even the
 * client's VM.
 */
import { ProtocolError, Verdict, type Call, type RequestValues } from '../src/relay/call.js';
import type { Concern } from '../src/relay/chain.js';
import type { RelayObject } from '../src/relay/object-map.js';
import type { Loan } from '../src/allocator/client.js';
import type { Memory } from '../src/virtwl/vfd.js';
import { PoolMemory } from './pool-memory.js';
import { MAX_SLABS_PER_VM, type VmAccount } from './vm-account.js';

/** Reasons of `virtwl_slab_v1.refused`. */
export const Refused = {
  /** The size is 0 or over {@link MAX_SLAB_BYTES}. */
  BadSize: 1,
  /** The client's VM has used its share up. */
  OverShare: 2,
  /** The host gave no memory; the message says why. */
  Allocator: 3,
} as const;

/** The largest slab: the largest `wl_shm_pool` there can be (its size is an int), in whole pages. */
export const MAX_SLAB_BYTES = 0x7ffff000;
/** Most slabs of one connection: each costs mappings in three processes and, in a VM, a slot of the device's 512. */
export const MAX_SLABS_PER_CLIENT = 32;

/** What the slabs of one client need from around them. */
export interface SlabNeeds {
  readonly account: VmAccount;
  /** Host memory; rejects with the reason for a refusal. */
  allocate(bytes: number): Promise<Loan>;
  /** The glue's own `wl_shm` on this client's connection to the compositor; undefined until it was announced. */
  shm(): RelayObject<'wl_shm'> | undefined;
}

/** Longest reason of a refusal that is told, in characters: a message has 4,096 bytes. */
const MAX_REASON = 1000;

/** A `virtwl_slab_v1` and what it owns. */
class Slab {
  memory: Memory | undefined;
  /** Resolves when nobody holds the memory any more; undefined where the allocator does not tell. */
  gone: Promise<void> | undefined;
  /** It is on the account of its VM. */
  charged = false;
  /** The allocator was asked and has not answered. */
  arriving = false;
  /** The client has destroyed it. */
  destroyed = false;
  /** Pools over it that are, or whose buffers are, in the compositor. */
  pools = 0;

  constructor(readonly size: number) {}
}

/** The slabs of one remote client. */
export class ClientSlabs {
  readonly #needs: SlabNeeds;
  readonly #slabs = new Set<Slab>();

  constructor(needs: SlabNeeds) {
    this.#needs = needs;
  }

  /** For the relay's rules. */
  readonly concern: Concern = {
    name: 'slabs',
    requests: {
      virtwl_memory_v1: {
        allocate: call => this.#allocate(call),
        destroy: () => Verdict.Drop,
      },
      virtwl_slab_v1: {
        create_pool: call => this.#createPool(call),
        destroy: ({ object }) => {
          const slab = object.data as Slab;
          slab.destroyed = true;
          slab.memory?.close();
          slab.memory = undefined;
          if (slab.pools === 0) this.#free(slab);
          return Verdict.Drop;
        },
      },
    },
  };

  /** Gives everything back; the connection is gone. */
  close(): void {
    for (const slab of [...this.#slabs]) this.#free(slab);
  }

  #allocate(call: Call<'virtwl_memory_v1', RequestValues<'virtwl_memory_v1', 'allocate'>>): Verdict {
    const { relay } = call;
    const { id, size } = call.args;
    const slab = new Slab(size);
    const object = relay.adopt('virtwl_slab_v1', call.object.version, id, true, slab);
    const refuse = (reason: number, text: string): void =>
      relay.emitEvent(object, 'refused', { reason, message: text.slice(0, MAX_REASON).replaceAll('\0', ' ') });
    const { account } = this.#needs;
    if (size === 0 || size > MAX_SLAB_BYTES) {
      refuse(Refused.BadSize, `a slab of ${size} bytes: 1 to ${MAX_SLAB_BYTES} may be asked for`);
      return Verdict.Drop;
    }
    const overShare = (): void =>
      refuse(
        Refused.OverShare,
        `${size} bytes more than VM "${account.name}" may have: it uses ${account.bytes} of ${account.share} bytes and ` +
          `${account.slabs} of ${MAX_SLABS_PER_VM} slabs, this client ${this.#slabs.size} of ${MAX_SLABS_PER_CLIENT} slabs`,
      );
    const lend = (): void => {
      slab.charged = true;
      slab.arriving = true;
      this.#lend(slab, object, relay, refuse);
    };
    const fits = this.#slabs.size < MAX_SLABS_PER_CLIENT;
    if (fits && account.charge(size)) {
      this.#slabs.add(slab);
      lend();
      return Verdict.Drop;
    }
    const soon = fits ? account.chargeSoon(size) : undefined;
    if (soon === undefined) {
      overShare();
      return Verdict.Drop;
    }
    this.#slabs.add(slab);
    void soon.then(charged => {
      if (object.destroyed || relay.closed) {
        this.#slabs.delete(slab);
        if (charged) account.credit(size);
      } else if (charged) {
        lend();
      } else {
        this.#slabs.delete(slab);
        overShare();
        relay.flush();
      }
    });
    return Verdict.Drop;
  }

  /** Asks the host for the memory of a slab that is charged, and answers the client. */
  #lend(
    slab: Slab,
    object: RelayObject<'virtwl_slab_v1'>,
    relay: Call['relay'],
    refuse: (reason: number, text: string) => void,
  ): void {
    const { size } = slab;
    this.#needs
      .allocate(size)
      .then(({ memory, gone }) => {
        slab.arriving = false;
        slab.memory = memory;
        slab.gone = gone;
        if (object.destroyed || relay.closed) {
          this.#free(slab);
          return;
        }
        relay.emitEvent(object, 'memory', { memory: memory.share(), size });
        relay.flush();
      })
      .catch((error: Error) => {
        slab.arriving = false;
        this.#free(slab);
        if (object.destroyed) return;
        refuse(Refused.Allocator, error.message);
        relay.flush();
      });
  }

  #createPool(call: Call<'virtwl_slab_v1', RequestValues<'virtwl_slab_v1', 'create_pool'>>): Verdict {
    const slab = call.object.data as Slab;
    if (slab.memory === undefined) {
      throw new ProtocolError(call.object.clientId, 0, 'create_pool before the memory of the slab has arrived');
    }
    const shm = this.#needs.shm();
    if (shm === undefined) return Verdict.Stall;
    const memory = new PoolMemory(slab.size, false, () => {
      slab.pools -= 1;
      if (slab.destroyed && slab.pools === 0) this.#free(slab);
    });
    const pool = call.relay.adopt('wl_shm_pool', 1, call.args.id, false, memory);
    slab.pools += 1;
    call.relay.request(shm, 'create_pool', { id: pool, fd: slab.memory.share(), size: slab.size });
    return Verdict.Drop;
  }

  #free(slab: Slab): void {
    // The host is about to lend it, or has already: it counts until it is here and closed. Otherwise a client that asks
    // and destroys over and over could be lent much more at a time than its share.
    if (slab.arriving) return;
    this.#slabs.delete(slab);
    slab.memory?.close();
    slab.memory = undefined;
    if (slab.charged) this.#needs.account.creditWhen(slab.gone, slab.size);
    slab.charged = false;
  }
}
