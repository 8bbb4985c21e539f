/**
 * A remote client: a Wayland client in another VM, as the compositor of this VM sees it. Each has a connection of its
 * own to the compositor, so that to the compositor it is a client like any other, and a relay between the two. The relay
 * announces what a remote client may have, answers the private memory extension, and carries what has fds: keymaps go
 * in host memory, transfers through virtio_wl pipes.
 */
import type { Channel } from '../src/system/channel.js';
import { MAX_KEYMAP_BYTES } from '../src/relay/keymap.js';
import type { Loan } from '../src/allocator/client.js';
import { native } from '../src/system/native.js';
import type { Device } from '../src/virtwl/device.js';
import { Memory } from '../src/virtwl/vfd.js';
import { ProtocolError, Verdict, type Call, type EventValues, type RequestValues } from '../src/relay/call.js';
import { firewall, FIREWALL, type SharedFirewall } from '../src/firewall/firewall.js';
import type { Concern } from '../src/relay/chain.js';
import { globalsConcern, type GlobalPolicy } from '../src/relay/globals.js';
import { type Global } from '../src/wayland/global-table.js';
import type { RelayObject } from '../src/relay/object-map.js';
import { Relay } from '../src/relay/relay.js';
import type { Trace } from '../src/relay/trace.js';
import { WlDisplayError, WlShmError } from '../src/wayland/protocols/wayland.js';
import { CLOCK_GLOBAL, clockConcern } from './clock.js';
import { OutputAnswers } from './output-answers.js';
import type { OutputLayout } from './output-layout.js';
import type { Deny } from './denials.js';
import { globalsOf, withholdingOf, type VmPolicy } from './policy.js';
import { PoolMemory } from './pool-memory.js';
import { ClientSlabs } from './slab.js';
import { keymapHash, type VmAccount } from './vm-account.js';
import { vmConcerns } from './vm-concerns.js';

/**
 * The name of our own first global in a remote client's registry. Compositors count their names up from 1; this one is far
 * away from them.
 */
const MEMORY_GLOBAL = { name: 0x76776c00, interface: 'virtwl_memory_v1', version: 2 } as const satisfies Global;

const AFTER: readonly string[] = ['globals', ...FIREWALL];

export interface RemoteClientOptions {
  /** The client's VM, by the name that the host gave it. */
  readonly account: VmAccount;
  readonly policy: VmPolicy;
  /** What the firewalls of all VMs share. Lent. */
  readonly shared: SharedFirewall;
  /** Where memory is made that needs none of the allocator's. Lent. */
  readonly device: Device;
  /** Where the compositor may hide where its outputs are: what is known of that. Lent. */
  readonly outputs?: OutputLayout | undefined;
  /** Is told every message. */
  readonly trace?: Trace | undefined;
  /** Host memory; rejects with the reason for a refusal. */
  allocate(bytes: number): Promise<Loan>;
  /** Is told why the client was refused memory. */
  refused(reason: string): void;
  /** Is told what the policy refuses it. */
  readonly deny: Deny;
}

/** Relays between `link` and `compositor`; owns both. */
export class RemoteClient {
  readonly relay: Relay;
  readonly #options: RemoteClientOptions;
  readonly #slabs: ClientSlabs;
  /** Memory that the client brought itself and the compositor has mapped. */
  readonly #ownPools = new Set<PoolMemory>();
  readonly #registry: RelayObject<'wl_registry'>;
  readonly #outputs: OutputAnswers | undefined;
  #shm: RelayObject<'wl_shm'> | undefined;

  constructor(link: Channel, compositor: Channel, options: RemoteClientOptions) {
    this.#options = options;
    this.#slabs = new ClientSlabs({
      account: options.account,
      largest: options.policy.buffer,
      allocate: bytes => options.allocate(bytes),
      refused: reason => options.refused(reason),
      deny: options.deny,
      shm: () => this.#shm,
    });
    const { account, policy, outputs, deny } = options;
    const allowed = globalsOf(policy);
    const announced: GlobalPolicy = (name, version) => {
      const most = allowed(name, version);
      const setting = most === 0 ? withholdingOf(policy, name) : undefined;
      if (setting !== undefined) deny(setting, `${name} was not announced to it`);
      return most;
    };
    this.#outputs = outputs && OutputAnswers.of(outputs, allowed, () => this.relay);
    const own = [MEMORY_GLOBAL, CLOCK_GLOBAL, ...(this.#outputs === undefined ? [] : [this.#outputs.global])];
    const wall = firewall(account.firewall, options.shared);
    const common = vmConcerns(account, policy, options.shared);
    this.relay = new Relay(link, compositor, {
      set: this.#outputs === undefined ? 'glue' : 'glue, with outputs',
      ...wall.rules,
      objects: account,
      trace: options.trace,
      concerns: [
        ...wall.first,
        globalsConcern(announced, global => this.#ownGlobal(global), own),
        ...wall.concerns,
        ...common.first,
        this.#slabs.concern,
        clockConcern,
        ...(this.#outputs === undefined ? [] : [this.#outputs.concern]),
        this.#concern(),
        ...common.last,
      ],
      toServer: {
        memory: (_call, fd) => fd,
        // What is to be written to goes through a pipe of ours: no descriptor of this VM's gets to the VM that writes.
        sink: (_call, fd) => account.transfers.pipeToReader(fd),
      },
      toClient: {
        keymap: (_call, fd) => fd,
        sink: (_call, fd) => account.transfers.pipeForSink(fd),
      },
    });
    wall.attach(this.relay);
    this.relay.on('close', () => {
      this.#slabs.close();
      this.#outputs?.close();
      for (const _ of this.#ownPools) account.credit(0);
      this.#ownPools.clear();
    });
    this.#registry = this.relay.inject('wl_registry', 1);
    this.relay.request(this.relay.display, 'get_registry', { registry: this.#registry });
    this.#outputs?.ask();
    this.relay.flush();
    this.relay.start();
  }

  /** Since when it is refused memory, of `performance.now()`; undefined where it is not. */
  get shortSince(): number | undefined {
    return this.#slabs.shortSince;
  }

  /** What is done here itself: the memory that clients ask for and bring, and keymaps. */
  #concern(): Concern {
    return {
      name: 'client',
      after: AFTER,
      requests: {
        wl_display: { get_registry: call => this.#getRegistry(call) },
        wl_registry: { bind: call => this.#bind(call) },
        wl_shm: { create_pool: call => this.#createPool(call) },
      },
      events: { wl_keyboard: { keymap: call => this.#keymap(call) } },
    };
  }

  #ownGlobal(global: Global): void {
    this.#outputs?.sees(global);
    if (global.interface !== 'wl_shm' || this.#shm !== undefined) return;
    this.#shm = this.relay.inject('wl_shm', 1);
    const id = { interface: 'wl_shm', version: 1, id: this.#shm.serverId };
    this.relay.request(this.#registry, 'bind', { name: global.name, id });
    this.relay.resume('requests');
  }

  /** Our own globals are the first that each registry of the client announces. */
  #getRegistry({ args }: Call<'wl_display', RequestValues<'wl_display', 'get_registry'>>): Verdict {
    if (this.#outputs?.known === false) return Verdict.Stall;
    const registry = this.relay.adopt('wl_registry', 1, args.registry, false);
    this.relay.request(this.relay.display, 'get_registry', { registry });
    for (const global of [MEMORY_GLOBAL, CLOCK_GLOBAL]) this.relay.emitEvent(registry, 'global', global);
    if (this.#outputs?.hidden === true) this.relay.emitEvent(registry, 'global', this.#outputs.global);
    return Verdict.Drop;
  }

  #bind({ args: { name, id } }: Call<'wl_registry', RequestValues<'wl_registry', 'bind'>>): Verdict {
    const own = [MEMORY_GLOBAL, CLOCK_GLOBAL].find(global => global.name === name);
    if (own !== undefined) this.relay.adopt(own.interface, id.version, id.id, true);
    else if (name === this.#outputs?.global.name) this.#outputs.bind(id.id, id.version);
    else return Verdict.Forward;
    return Verdict.Drop;
  }

  /** Memory that the client VM brought itself: a pool like any other, as long as it is memory. */
  #createPool(call: Call<'wl_shm', RequestValues<'wl_shm', 'create_pool'>>): Verdict {
    const given = call.peekFd();
    if (!(given instanceof Memory)) {
      throw new ProtocolError(call.object.clientId, WlShmError.invalid_fd, 'a pool must be made of memory');
    }
    const { account } = this.#options;
    // Its bytes are the client VM's own; what it costs here is a mapping.
    if (!account.charge(0)) {
      this.#options.deny('limit slabs', `it has ${account.maxSlabs} slabs already`);
      throw new ProtocolError(
        1,
        WlDisplayError.no_memory,
        `virtwl: VM "${account.name}" has ${account.maxSlabs} slabs already, its policy allows no more`,
      );
    }
    const size = given.poolBytes(call.args.size);
    const gone = (): void => {
      if (this.#ownPools.delete(memory)) account.credit(0);
    };
    const memory = new PoolMemory(call.args.size, true, gone, size);
    this.#ownPools.add(memory);
    const pool = call.relay.adopt('wl_shm_pool', call.object.version, call.args.id, false, memory);
    call.relay.request(call.object, 'create_pool', { id: pool, fd: call.takeFd(), size });
    return Verdict.Drop;
  }

  /** A keymap goes in host memory, one copy for all clients of a VM. */
  #keymap(call: Call<'wl_keyboard', EventValues<'wl_keyboard', 'keymap'>>): Verdict {
    const { size } = call.args;
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
      // Where the budget is used up, this VM's own memory is better than a client without a keyboard.
      .catch(() => ({ memory: this.#options.device.allocate(size) }))
      .then(({ memory }) => {
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
