/**
 * A remote client: a Wayland client in another VM, as the compositor of this VM sees it. Each has a connection of its
 * own to the compositor, so that to the compositor it is a client like any other, and a relay between the two. The relay
 * announces what a remote client may have, answers the private memory extension, and carries what has fds: keymaps go
 * in host memory, transfers through virtio_wl pipes.
 */
import type { Channel } from '../src/system/channel.js';
import { MAX_KEYMAP_BYTES } from '../src/relay/keymap.js';
import type { OwnedFd } from '../src/system/fd.js';
import { native } from '../src/system/native.js';
import type { Device } from '../src/virtwl/device.js';
import { Memory } from '../src/virtwl/vfd.js';
import { DisplayError, ProtocolError, Verdict, type Call, type Handlers } from '../src/relay/call.js';
import { registryHandlers } from '../src/relay/globals.js';
import { type Global } from '../src/wayland/global-table.js';
import type { RelayObject } from '../src/relay/object-map.js';
import { Relay } from '../src/relay/relay.js';
import type { Trace } from '../src/relay/trace.js';
import type { Bind } from '../src/wayland/wire.js';
import { clipboardHandlers } from './clipboard-policy.js';
import { globalsOf, type VmPolicy } from './policy.js';
import { PoolMemory, poolRequests } from './pool-memory.js';
import { ClientSlabs } from './slab.js';
import { keymapHash, MAX_SLABS_PER_VM, type VmAccount } from './vm-account.js';
import { windowRequests } from './window-label.js';

/**
 * The name of our own global in a remote client's registry. Compositors count their names up from 1; this one is far
 * away from them.
 */
const MEMORY_GLOBAL: Global = { name: 0x76776c00, interface: 'virtwl_memory_v1', version: 1 };

/** wl_shm.error.invalid_fd */
const SHM_INVALID_FD = 2;

export interface RemoteClientOptions {
  /** The client's VM, by the name that the host gave it. */
  readonly account: VmAccount;
  readonly policy: VmPolicy;
  /** Where memory is made that needs none of the allocator's. Lent. */
  readonly device: Device;
  /** Is told every message. */
  readonly trace?: Trace | undefined;
  /** Host memory; rejects with the reason for a refusal. */
  allocate(bytes: number): Promise<Memory>;
}

/** Relays between `link` and `compositor`; owns both. */
export class RemoteClient {
  readonly relay: Relay;
  readonly #options: RemoteClientOptions;
  readonly #slabs: ClientSlabs;
  /** Memory that the client brought itself and the compositor has mapped. */
  readonly #ownPools = new Set<PoolMemory>();
  readonly #registry: RelayObject;
  #shm: RelayObject | null = null;

  constructor(link: Channel, compositor: Channel, options: RemoteClientOptions) {
    this.#options = options;
    this.#slabs = new ClientSlabs({
      account: options.account,
      allocate: bytes => options.allocate(bytes),
      shm: () => this.#shm,
    });
    const { account, policy } = options;
    const registry = registryHandlers(globalsOf(policy), global => this.#ownGlobal(global), [MEMORY_GLOBAL]);
    const clipboard = clipboardHandlers(policy);
    this.relay = new Relay(link, compositor, {
      objects: account,
      trace: options.trace,
      requests: {
        wl_display: { get_registry: call => this.#getRegistry(call) },
        wl_registry: { bind: call => this.#bind(call, registry.requests) },
        wl_shm: { create_pool: call => this.#createPool(call) },
        ...poolRequests,
        wl_shm_pool: { ...poolRequests.wl_shm_pool, resize: call => this.#resize(call) },
        ...this.#slabs.requests,
        ...windowRequests(account.name, policy),
        ...clipboard.requests,
      },
      events: {
        wl_registry: registry.events,
        wl_keyboard: { keymap: call => this.#keymap(call) },
        ...clipboard.events,
      },
      // What came over the link is a vfd, and a vfd is a descriptor like any other to the compositor.
      carryToServer: (_call, fd) => fd,
      carryToClient: (call, fd) => (fd instanceof Memory ? fd : this.#carry(call, fd)),
    });
    this.relay.on('close', () => {
      this.#slabs.close();
      for (const _ of this.#ownPools) account.credit(0);
      this.#ownPools.clear();
    });
    this.#registry = this.relay.inject('wl_registry', 1);
    this.relay.request(this.relay.display, 'get_registry', [this.#registry.serverId]);
    this.relay.flush();
    this.relay.start();
  }

  #carry(call: Call, fd: OwnedFd): OwnedFd {
    if (call.message.name === 'keymap') return fd; // no_keymap: nothing in it
    return this.#options.account.transfers.pipeForSink(fd);
  }

  #ownGlobal(global: Global): void {
    if (global.interface !== 'wl_shm' || this.#shm !== null) return;
    this.#shm = this.relay.inject('wl_shm', 1);
    this.relay.request(this.#registry, 'bind', [
      global.name,
      { interface: 'wl_shm', version: 1, id: this.#shm.serverId },
    ]);
    this.relay.resume('requests');
  }

  /** Every registry of the client hears of our own global first. */
  #getRegistry(call: Call): Verdict {
    const registry = this.relay.adopt('wl_registry', 1, call.uint(0), false);
    this.relay.request(this.relay.display, 'get_registry', [registry.serverId]);
    this.relay.emitEvent(registry, 'global', [MEMORY_GLOBAL.name, MEMORY_GLOBAL.interface, MEMORY_GLOBAL.version]);
    return Verdict.Drop;
  }

  #bind(call: Call, registry: Handlers): Verdict {
    const verdict = (registry.bind as (call: Call) => Verdict)(call);
    if (call.uint(0) !== MEMORY_GLOBAL.name) return verdict;
    const [, bind] = call.args() as [number, Bind];
    this.relay.adopt(MEMORY_GLOBAL.interface, bind.version, bind.id, true);
    return Verdict.Drop;
  }

  /** Memory that the client VM brought itself: a pool like any other, as long as it is memory. */
  #createPool(call: Call): Verdict {
    if (!(call.peekFd(0) instanceof Memory)) {
      throw new ProtocolError(call.object.clientId, SHM_INVALID_FD, 'a pool must be made of memory');
    }
    const { account } = this.#options;
    // Its bytes are the client VM's own; what it costs here is a mapping.
    if (!account.charge(0)) {
      throw new ProtocolError(
        1,
        DisplayError.NoMemory,
        `VM "${account.name}" has ${MAX_SLABS_PER_VM} pieces of memory`,
      );
    }
    const memory = new PoolMemory(true, () => {
      if (this.#ownPools.delete(memory)) account.credit(0);
    });
    this.#ownPools.add(memory);
    const pool = call.relay.adopt('wl_shm_pool', call.object.version, call.uint(0), false, memory);
    call.relay.request(call.object, 'create_pool', [pool.serverId, call.takeFd(0), call.int(1)]);
    return Verdict.Drop;
  }

  #resize(call: Call): Verdict {
    if (!(call.object.data as PoolMemory).resizable) {
      throw new ProtocolError(call.object.clientId, SHM_INVALID_FD, 'a pool over a slab cannot be resized');
    }
    return Verdict.Forward;
  }

  /** A keymap goes in host memory, one copy for all clients of a VM. */
  #keymap(call: Call): Verdict {
    const size = call.uint(1);
    if (size === 0) {
      call.takeFd(0).close();
      call.replaceFd(0, this.#options.device.allocate(native.pageSize));
      return Verdict.Forward;
    }
    if (size > MAX_KEYMAP_BYTES) throw new Error(`a keymap of ${size} bytes: at most ${MAX_KEYMAP_BYTES} are carried`);
    const { account } = this.#options;
    const source = native.map(call.peekFd(0).fd, 0, size, false);
    let hash: string;
    try {
      hash = keymapHash(source, size);
      const known = account.keymap(hash);
      if (known !== undefined) {
        call.takeFd(0).close();
        call.replaceFd(0, known.share());
        source.unmap();
        return Verdict.Forward;
      }
    } catch (error) {
      source.unmap();
      throw error;
    }
    this.#options
      .allocate(size)
      .then(memory => {
        try {
          const copy = memory.map(size, true);
          try {
            native.copyRects(copy, source, Float64Array.of(0, size, 0, size, size, 1), 1);
          } finally {
            copy.unmap();
          }
        } catch (error) {
          memory.close();
          throw error;
        }
        // Without this client the account may be closed already.
        if (this.relay.closed) memory.close();
        else account.keepKeymap(hash, memory);
      })
      .then(
        () => this.relay.resume('events'),
        (error: Error) => this.relay.close(new Error(`no memory for a keymap: ${error.message}`)),
      )
      .finally(() => source.unmap());
    return Verdict.Stall;
  }
}
