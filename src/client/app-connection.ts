/**
 * One application's connection: its requests on the way to the link, and the link's events on the way back. Nearly all
 * of it is passed on as it is. Handled here are `wl_shm` (pools and buffers of the application stay on this side),
 * `wl_surface` (commits copy), `wp_viewport` (it moves damage), the registry (only what can be carried is announced) and
 * what carries fds.
 */
import { EventEmitter } from 'eventemitter3';
import type { AllocatorClient } from '../allocator/client.js';
import type { Channel } from '../system/channel.js';
import { DisplayError, ProtocolError, Verdict, type Call, type Handlers } from '../relay/call.js';
import type { Transfers } from '../relay/transfers.js';
import { allowOnly, registryHandlers, REMOTE_GLOBALS } from '../relay/globals.js';
import { type Global } from '../wayland/global-table.js';
import type { RelayObject } from '../relay/object-map.js';
import { Relay } from '../relay/relay.js';
import type { Trace } from '../relay/trace.js';
import { bytesPerPixel } from '../wayland/shm-formats.js';
import { AppBuffer, AppPool } from './app-pool.js';
import { AppSurface, type CopyCounters, type LinkBufferOwner } from './app-surface.js';
import { localKeymap } from '../relay/keymap.js';
import { LinkMemory, SLAB_TIMEOUT_MS } from '../slabs/link-memory.js';
import { AllocatorMemory, GlueMemory, slabEvents, type MemorySource } from '../slabs/memory-source.js';

export interface AppConnectionOptions {
  /** What goes through pipes. Lent. */
  readonly transfers: Transfers;
  /** A connection to the allocator, opened when the link turns out to have no glue at its other end. Lent. */
  readonly allocator: () => AllocatorClient;
  /** How long memory may be on its way, in milliseconds. Default: {@link SLAB_TIMEOUT_MS}. */
  readonly memoryTimeoutMs?: number | undefined;
  /** Is told every message. */
  readonly trace?: Trace | undefined;
}

export interface AppConnectionEvents {
  close: (reason: Error | undefined) => void;
}

/** Globals of the link that give memory: of all others of the connection's own registry nothing is kept. */
const MEMORY_GLOBALS: readonly string[] = ['virtwl_memory_v1', 'wl_shm'];

/** Serves one application over one link. Owns both channels. */
export class AppConnection extends EventEmitter<AppConnectionEvents> {
  readonly counters: CopyCounters = { frames: 0, bytesCopied: 0 };
  readonly #relay: Relay;
  readonly #options: AppConnectionOptions;
  readonly #memory: LinkMemory;
  readonly #pools = new Set<AppPool>();
  readonly #viewports = new Map<number, AppSurface>();
  readonly #registry: RelayObject;
  /** Those of {@link MEMORY_GLOBALS} that were announced, by interface. */
  readonly #globals = new Map<string, Global>();
  #source: MemorySource | null = null;
  #sourceReady!: (source: MemorySource) => void;
  #sourceFailed!: (error: Error) => void;

  constructor(app: Channel, link: Channel, options: AppConnectionOptions) {
    super();
    this.#options = options;
    const source = new Promise<MemorySource>((resolve, reject) => {
      this.#sourceReady = resolve;
      this.#sourceFailed = reject;
    });
    source.catch(() => {}); // whoever allocates hears of it
    this.#memory = new LinkMemory(
      { allocate: async size => (this.#source ?? (await source)).allocate(size) },
      () => this.#relay.resume('requests'),
      options.memoryTimeoutMs ?? SLAB_TIMEOUT_MS,
    );
    const registry = registryHandlers(allowOnly(REMOTE_GLOBALS), global => {
      if (MEMORY_GLOBALS.includes(global.interface)) this.#globals.set(global.interface, global);
    });
    this.#relay = new Relay(app, link, {
      trace: options.trace,
      requests: { wl_registry: registry.requests, ...this.#requestHandlers() },
      events: { wl_registry: registry.events, ...this.#eventHandlers() },
      // Of requests with fds, pools are handled below; what is left gives a pipe's write end away.
      carryToServer: (_call, fd) => this.#options.transfers.pipeForSink(fd),
      // What came over the link is a vfd, and a vfd is a descriptor like any other to the application.
      carryToClient: (call, fd) =>
        call.message.name === 'keymap' && call.uint(1) > 0 ? localKeymap(fd, call.uint(1)) : fd,
    });
    this.#relay.on('close', reason => this.#closed(reason));

    this.#registry = this.#relay.inject('wl_registry', 1);
    this.#relay.request(this.#relay.display, 'get_registry', [this.#registry.serverId]);
    const listed = this.#relay.inject('wl_callback', 1, () => this.#chooseSource());
    this.#relay.request(this.#relay.display, 'sync', [listed.serverId]);
    this.#relay.flush();
    this.#relay.start();
  }

  close(): void {
    this.#relay.close(undefined);
  }

  #chooseSource(): void {
    const glue = this.#globals.get('virtwl_memory_v1');
    const shm = this.#globals.get('wl_shm');
    try {
      if (glue !== undefined) this.#source = new GlueMemory(this.#relay, this.#registry, glue);
      else if (shm !== undefined) {
        this.#source = new AllocatorMemory(this.#relay, this.#registry, shm, this.#options.allocator());
      } else throw new Error('the compositor at the other end has no wl_shm');
    } catch (error) {
      this.#sourceFailed(error as Error);
      return;
    }
    this.#sourceReady(this.#source);
  }

  #requestHandlers(): Record<string, Handlers> {
    return {
      wl_shm: {
        create_pool: call => {
          const pool = new AppPool(call.takeFd(0), call.int(1), call.object.clientId, this.#pools);
          try {
            call.relay.adopt('wl_shm_pool', call.object.version, call.uint(0), true, pool);
          } catch (error) {
            pool.close();
            throw error;
          }
          return Verdict.Drop;
        },
      },
      wl_shm_pool: {
        create_buffer: call => {
          const pool = call.object.data as AppPool;
          const buffer = AppBuffer.create(
            pool,
            call.object.clientId,
            call.int(1),
            call.int(2),
            call.int(3),
            call.int(4),
            call.uint(5),
          );
          try {
            call.relay.adopt('wl_buffer', 1, call.uint(0), true, buffer);
          } catch (error) {
            buffer.release();
            throw error;
          }
          return Verdict.Drop;
        },
        resize: call => {
          (call.object.data as AppPool).resize(call.int(0), call.object.clientId);
          return Verdict.Drop;
        },
        destroy: call => {
          (call.object.data as AppPool).destroyed();
          return Verdict.Drop;
        },
      },
      wl_buffer: {
        destroy: call => {
          if (!(call.object.data instanceof AppBuffer)) return Verdict.Forward;
          call.object.data.release();
          return Verdict.Drop;
        },
      },
      wl_surface: {
        attach: call => this.#attach(call),
        damage: call => {
          this.#surface(call.object).damageSurface(call.int(0), call.int(1), call.int(2), call.int(3));
          return Verdict.Forward;
        },
        damage_buffer: call => {
          this.#surface(call.object).damageBuffer(call.int(0), call.int(1), call.int(2), call.int(3));
          return Verdict.Forward;
        },
        set_buffer_scale: call => {
          // Nonsense is the compositor's to answer; we only must not divide by it.
          this.#surface(call.object).geometry.scale = Math.max(1, call.int(0));
          return Verdict.Forward;
        },
        set_buffer_transform: call => {
          this.#surface(call.object).geometry.transform = call.int(0);
          return Verdict.Forward;
        },
        commit: call => this.#commit(call),
        destroy: call => {
          this.#surface(call.object).destroy();
          return Verdict.Forward;
        },
      },
      wp_viewporter: {
        get_viewport: call => {
          const surface = call.relay.clientObject(call.uint(1));
          if (surface?.interface.name === 'wl_surface') this.#viewports.set(call.uint(0), this.#surface(surface));
          return Verdict.Forward;
        },
      },
      wp_viewport: {
        set_source: call => {
          const [x, y, width, height] = [call.fixed(0), call.fixed(1), call.fixed(2), call.fixed(3)];
          const geometry = this.#viewports.get(call.object.clientId)?.geometry;
          if (geometry !== undefined) geometry.source = width > 0 && height > 0 ? { x, y, width, height } : null;
          return Verdict.Forward;
        },
        set_destination: call => {
          const [width, height] = [call.int(0), call.int(1)];
          const geometry = this.#viewports.get(call.object.clientId)?.geometry;
          if (geometry !== undefined) geometry.destination = width > 0 && height > 0 ? { width, height } : null;
          return Verdict.Forward;
        },
        destroy: call => {
          const geometry = this.#viewports.get(call.object.clientId)?.geometry;
          if (geometry !== undefined) geometry.source = geometry.destination = null;
          this.#viewports.delete(call.object.clientId);
          return Verdict.Forward;
        },
      },
    };
  }

  #eventHandlers(): Record<string, Handlers> {
    return {
      ...slabEvents,
      wl_callback: {
        done: call => {
          if (call.object.clientId !== 0) return Verdict.Forward;
          (call.object.data as () => void)();
          return Verdict.Drop;
        },
      },
      wl_shm: {
        format: call => {
          if (call.object.clientId === 0) return Verdict.Drop;
          return bytesPerPixel(call.uint(0)) === undefined ? Verdict.Drop : Verdict.Forward;
        },
      },
      wl_buffer: {
        release: call => {
          if (call.object.clientId !== 0) return Verdict.Forward;
          const { surface, buffer } = call.object.data as LinkBufferOwner;
          surface.released(buffer);
          return Verdict.Drop;
        },
      },
    };
  }

  #surface(object: RelayObject): AppSurface {
    return (object.data ??= new AppSurface(this.#relay, this.#memory, this.counters)) as AppSurface;
  }

  #attach(call: Call): Verdict {
    const surface = this.#surface(call.object);
    const id = call.uint(0);
    const object = id === 0 ? undefined : call.relay.clientObject(id);
    if (!(object?.data instanceof AppBuffer) || object.destroyed) {
      // None, or one without pixels of its own (wp_single_pixel_buffer): nothing to copy.
      surface.attach(null);
      return Verdict.Forward;
    }
    surface.attach({ buffer: object.data, object, x: call.int(1), y: call.int(2) });
    return Verdict.Drop;
  }

  #commit(call: Call): Verdict {
    let done: boolean;
    try {
      done = this.#surface(call.object).commit(call.object);
    } catch (error) {
      if (error instanceof ProtocolError) throw error;
      throw new ProtocolError(1, DisplayError.NoMemory, `virtwl: ${(error as Error).message}`);
    }
    return done ? Verdict.Forward : Verdict.Stall;
  }

  #closed(reason: Error | undefined): void {
    this.#sourceFailed(new Error('the connection was closed'));
    for (const pool of [...this.#pools]) pool.close();
    this.#memory.close();
    this.emit('close', reason);
  }
}
