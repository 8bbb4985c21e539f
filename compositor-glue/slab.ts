/**
 * The private extension of the link, `virtwl_memory_v1`: a remote client asks the glue for slabs of host memory. Each
 * is charged to the client's VM, given to the client as memory and, by `create_pool`, to the compositor as a
 * `wl_shm_pool` over the same bytes. The compositor never sees the extension's own objects. A slab is charged until it
 * is destroyed, nothing of it is left in the compositor, and the host says that nobody holds its memory, not even the
 * client's VM.
 *
 * Other clients of the VM may join a slab by its key: a proxy has many connections, and small buffers of all of them in
 * few slabs. It is charged once, until the last of them has left it.
 */
import { randomBytes } from 'node:crypto';
import { ProtocolError, Verdict, type Call, type RequestValues } from '../src/relay/call.js';
import type { Concern } from '../src/relay/chain.js';
import type { RelayObject } from '../src/relay/object-map.js';
import type { Relay } from '../src/relay/relay.js';
import type { Loan } from '../src/allocator/client.js';
import type { Memory } from '../src/virtwl/vfd.js';
import { PoolMemory } from './pool-memory.js';
import { HOST_MEMORY, type Deny } from './denials.js';
import type { VmAccount } from './vm-account.js';

/** Reasons of `virtwl_slab_v1.refused`. */
export const Refused = {
  /** The size is 0 or over {@link MAX_SLAB_BYTES}. */
  BadSize: 1,
  /** The client's VM has used its share up. */
  OverShare: 2,
  /** The host gave no memory; the message says why. */
  Allocator: 3,
  /** No slab of this VM has the key. */
  NoSuchSlab: 4,
} as const;

/** The largest slab: the largest `wl_shm_pool` there can be (its size is an int), in whole pages. */
export const MAX_SLAB_BYTES = 0x7ffff000;

/** What the slabs of one client need from around them. */
export interface SlabNeeds {
  readonly account: VmAccount;
  /** The largest slab that it may have, in bytes. */
  readonly largest: number;
  /** Is told why this client was refused memory. */
  refused(reason: string): void;
  /** Is told each refusal that a policy or the host makes. */
  readonly deny: Deny;
  /** Host memory; rejects with the reason for a refusal. */
  allocate(bytes: number): Promise<Loan>;
  /** The glue's own `wl_shm` on this client's connection to the compositor; undefined until it was announced. */
  shm(): RelayObject<'wl_shm'> | undefined;
}

/**
 * How long a client must have been refused before that is told, in milliseconds: mostly it is content with less, or
 * another client, or the same, gives something up at once.
 */
export const TELL_AFTER_MS = 1000;
/**
 * How long a client that was told of must have been refused nothing before that is told anew, in milliseconds: one that
 * waits for memory asks again every two seconds, and may get a part of what it wants each time.
 */
export const SHORTAGE_GAP_MS = 10_000;

/** Longest reason of a refusal that is told, in characters: a message has 4,096 bytes. */
const MAX_REASON = 1000;

/** Memory that was lent, for all who use it. */
export class Slab {
  memory: Memory | undefined;
  /** Resolves when nobody holds the memory any more; undefined where the allocator does not tell. */
  gone: Promise<void> | undefined;
  /** It is on the account of its VM. */
  charged = false;
  /** The allocator was asked and has not answered. */
  arriving = false;
  /** Clients that have it, or something of it in the compositor. */
  users = 1;
  readonly key = randomBytes(16).toString('hex');

  constructor(readonly size: number) {}
}

/** A `virtwl_slab_v1`: what one client has of a slab. */
class SlabUse {
  /** The client has destroyed it. */
  destroyed = false;
  /** Pools of this client over it that are, or whose buffers are, in the compositor. */
  pools = 0;

  constructor(readonly slab: Slab) {}
}

type SlabObject = RelayObject<'virtwl_slab_v1'>;

/** A client was refused memory. */
interface Shortage {
  reason: string;
  /** When it was refused first, and last. */
  readonly first: number;
  last: number;
  /** Runs until it is told; undefined: it was told. */
  timer: NodeJS.Timeout | undefined;
}

/** The slabs of one remote client. */
export class ClientSlabs {
  readonly #needs: SlabNeeds;
  readonly #uses = new Set<SlabUse>();
  /** Its objects that can tell it of a shortage, and how. */
  readonly #memories = new Map<RelayObject<'virtwl_memory_v1'>, Relay>();
  #shortage: Shortage | undefined;

  constructor(needs: SlabNeeds) {
    this.#needs = needs;
    needs.account.members.add(this);
  }

  /**
   * Another client of the VM was refused so many bytes. This one is told once, however many objects it has made for that,
   * and not while it does not read.
   */
  short(bytes: number): void {
    const [first] = this.#memories;
    if (first === undefined) return;
    const [memory, relay] = first;
    if (relay.toClient.backedUp) return;
    relay.emitEvent(memory, 'short', { bytes });
    relay.flush();
  }

  /** Since when it is refused memory, of `performance.now()`; undefined where it was not for a while. */
  get shortSince(): number | undefined {
    const shortage = this.#shortage;
    if (shortage === undefined || performance.now() - shortage.last > SHORTAGE_GAP_MS) return undefined;
    return shortage.first;
  }

  /** For the relay's rules. */
  readonly concern: Concern = {
    name: 'slabs',
    made: {
      virtwl_memory_v1: (memory, { relay }) => {
        if (memory.version >= 2) this.#memories.set(memory, relay);
      },
    },
    gone: { virtwl_memory_v1: memory => this.#memories.delete(memory) },
    requests: {
      virtwl_memory_v1: {
        allocate: call => this.#allocate(call),
        join: call => this.#join(call),
        destroy: () => Verdict.Drop,
      },
      virtwl_slab_v1: {
        create_pool: call => this.#createPool(call),
        destroy: ({ object }) => {
          const use = object.data as SlabUse;
          use.destroyed = true;
          if (use.pools === 0) this.#leave(use);
          return Verdict.Drop;
        },
      },
    },
  };

  /** Gives everything back; the connection is gone. */
  close(): void {
    this.#memories.clear();
    clearTimeout(this.#shortage?.timer);
    this.#needs.account.members.delete(this);
    for (const use of [...this.#uses]) this.#leave(use);
  }

  #allocate(call: Call<'virtwl_memory_v1', RequestValues<'virtwl_memory_v1', 'allocate'>>): Verdict {
    const { relay } = call;
    const { id, size } = call.args;
    const slab = new Slab(size);
    const use = new SlabUse(slab);
    const object = relay.adopt('virtwl_slab_v1', call.object.version, id, true, use);
    const { account } = this.#needs;
    if (size === 0 || size > MAX_SLAB_BYTES) {
      this.#refuse(relay, object, Refused.BadSize, `a slab of ${size} bytes: 1 to ${MAX_SLAB_BYTES} may be asked for`);
      return Verdict.Drop;
    }
    if (size > this.#needs.largest) {
      const text = `a buffer of ${size} bytes: VM "${account.name}" may have one of ${this.#needs.largest} at most`;
      this.#refuse(relay, object, Refused.OverShare, text, 'buffer');
      return Verdict.Drop;
    }
    const lend = (): void => {
      slab.charged = true;
      slab.arriving = true;
      this.#lend(relay, use, object);
    };
    if (account.charge(size)) {
      this.#uses.add(use);
      lend();
      return Verdict.Drop;
    }
    const soon = account.chargeSoon(size);
    if (soon === undefined) {
      this.#refuse(relay, object, Refused.OverShare, overShare(account, size));
      return Verdict.Drop;
    }
    this.#uses.add(use);
    void soon.then(charged => {
      if (object.destroyed || relay.closed) {
        this.#uses.delete(use);
        if (charged) account.credit(size);
      } else if (charged) {
        lend();
      } else {
        this.#uses.delete(use);
        this.#refuse(relay, object, Refused.OverShare, overShare(account, size));
        relay.flush();
      }
    });
    return Verdict.Drop;
  }

  /** Asks the host for the memory of a slab that is charged, and answers the client. */
  #lend(relay: Relay, use: SlabUse, object: SlabObject): void {
    const { slab } = use;
    const { size } = slab;
    this.#needs
      .allocate(size)
      .then(({ memory, gone }) => {
        slab.arriving = false;
        slab.memory = memory;
        slab.gone = gone;
        this.#granted();
        if (object.destroyed || relay.closed) {
          this.#leave(use);
          return;
        }
        if (object.version >= 2) {
          this.#needs.account.shared.set(slab.key, slab);
          relay.emitEvent(object, 'key', { key: slab.key });
        }
        relay.emitEvent(object, 'memory', { memory: memory.share(), size });
        relay.flush();
      })
      .catch((error: Error) => {
        slab.arriving = false;
        this.#leave(use);
        if (object.destroyed) return;
        this.#refuse(relay, object, Refused.Allocator, error.message);
        relay.flush();
      });
  }

  #join(call: Call<'virtwl_memory_v1', RequestValues<'virtwl_memory_v1', 'join'>>): Verdict {
    const { relay } = call;
    const { id, key } = call.args;
    const slab = this.#needs.account.shared.get(key);
    const use = new SlabUse(slab ?? new Slab(0));
    const object = relay.adopt('virtwl_slab_v1', call.object.version, id, true, use);
    if (slab === undefined) {
      this.#refuse(relay, object, Refused.NoSuchSlab, 'no slab of this VM has this key');
    } else {
      slab.users += 1;
      this.#uses.add(use);
      relay.emitEvent(object, 'joined', {});
    }
    return Verdict.Drop;
  }

  /** `setting`: of the policy that refuses it; where it is not said, that of the share, or the host's. */
  #refuse(relay: Relay, object: SlabObject, reason: number, text: string, setting?: string): void {
    const message = text.slice(0, MAX_REASON).replaceAll('\0', ' ');
    relay.emitEvent(object, 'refused', { reason, message });
    if (reason !== Refused.OverShare && reason !== Refused.Allocator) return;
    const { size } = (object.data as SlabUse).slab;
    const { account } = this.#needs;
    const share = account.bytes + size > account.share ? 'memory' : 'limit slabs';
    this.#needs.deny(setting ?? (reason === Refused.Allocator ? HOST_MEMORY : share), message);
    account.tellShort(size, this);
    this.#isShort(message);
  }

  #isShort(reason: string): void {
    const last = performance.now();
    const before = this.#shortage;
    if (before !== undefined && (before.timer !== undefined || last - before.last < SHORTAGE_GAP_MS)) {
      Object.assign(before, { reason, last });
      return;
    }
    const shortage: Shortage = {
      reason,
      first: last,
      last,
      timer: setTimeout(() => this.#tell(shortage), TELL_AFTER_MS),
    };
    this.#shortage = shortage;
  }

  #tell(shortage: Shortage): void {
    shortage.timer = undefined;
    this.#needs.refused(shortage.reason);
  }

  /** A client that gets anything before it is told of is not short. */
  #granted(): void {
    if (this.#shortage?.timer === undefined) return;
    clearTimeout(this.#shortage.timer);
    this.#shortage = undefined;
  }

  #createPool(call: Call<'virtwl_slab_v1', RequestValues<'virtwl_slab_v1', 'create_pool'>>): Verdict {
    const use = call.object.data as SlabUse;
    const { slab } = use;
    if (slab.memory === undefined) {
      throw new ProtocolError(call.object.clientId, 0, 'create_pool before the memory of the slab has arrived');
    }
    const shm = this.#needs.shm();
    if (shm === undefined) return Verdict.Stall;
    const memory = new PoolMemory(slab.size, false, () => {
      use.pools -= 1;
      if (use.destroyed && use.pools === 0) this.#leave(use);
    });
    const pool = call.relay.adopt('wl_shm_pool', 1, call.args.id, false, memory);
    use.pools += 1;
    const size = slab.memory.poolBytes(slab.size);
    call.relay.request(shm, 'create_pool', { id: pool, fd: slab.memory.share(), size });
    return Verdict.Drop;
  }

  /** Nothing of the client's uses the slab any more. */
  #leave(use: SlabUse): void {
    const { slab } = use;
    // The host is about to lend it, or has already: it counts until it is here and closed. Otherwise a client that asks
    // and destroys over and over could be lent much more at a time than its share.
    if (slab.arriving || !this.#uses.delete(use)) return;
    slab.users -= 1;
    if (slab.users > 0) return;
    const { account } = this.#needs;
    account.shared.delete(slab.key);
    slab.memory?.close();
    slab.memory = undefined;
    if (slab.charged) account.creditWhen(slab.gone, slab.size);
    slab.charged = false;
  }
}

function overShare({ name, bytes, share, slabs, maxSlabs }: VmAccount, size: number): string {
  return `${size} bytes more than VM "${name}" may have: it uses ${bytes} of ${share} bytes and ${slabs} of ${maxSlabs} slabs`;
}
