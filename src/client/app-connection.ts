/**
 * One application's connection: its requests on the way to the link, and the link's events on the way back. Nearly all
 * of it is passed on as it is. Handled here are `wl_shm` (pools and buffers of the application stay on this side),
 * `wl_surface` (commits copy), `wp_viewport` (it moves damage), the registry (only what can be carried is announced) and
 * what carries fds.
 */
import { EventEmitter } from 'eventemitter3';
import type { AllocatorClient } from '../allocator/client.js';
import type { Channel } from '../system/channel.js';
import {
  ProtocolError,
  Verdict,
  type Call,
  type EventHandlers,
  type RequestHandlers,
  type RequestValues,
} from '../relay/call.js';
import type { Transfers } from '../relay/transfers.js';
import { checkAttachOffset } from '../relay/attach-offset.js';
import { allowOnly, globalsConcern, REMOTE_GLOBALS, SHORTCUTS_GLOBALS } from '../relay/globals.js';
import { type Global } from '../wayland/global-table.js';
import type { RelayObject } from '../relay/object-map.js';
import { Relay } from '../relay/relay.js';
import type { Trace } from '../relay/trace.js';
import { WlDisplayError } from '../wayland/protocols/wayland.js';
import { MAX_RECTS } from '../wayland/region.js';
import { bytesPerPixel } from '../wayland/shm-formats.js';
import { Latencies } from '../observe/latencies.js';
import { AppWindows } from './app-windows.js';
import { iconsConcern } from './app-icons.js';
import { AppBuffer, type AppPool, type PoolLimit } from './app-pool.js';
import { AppSurface } from './app-surface.js';
import { CopyTally, type CopyCounters } from './copy-tally.js';
import type { LinkBufferOwner } from './link-buffer.js';
import { keymapForApp } from '../relay/keymap.js';
import { HeldRequests } from './held-requests.js';
import { Presentation } from './presentation.js';
import { Releases } from './releases.js';
import { shmHandlers } from './shm-requests.js';
import { namedBy, SurfaceFamilies } from './surface-families.js';
import { LinkMemory } from '../slabs/link-memory.js';
import type { SlabArena } from '../slabs/slab-arena.js';
import type { IdleBuffers } from './idle-buffers.js';
import { viewportHandlers } from './viewports.js';
import { WaitingFrames } from './waiting-frames.js';
import { AllocatorMemory, GlueMemory, NoMemory, slabAnswers, type MemorySource } from '../slabs/memory-source.js';

/** What an application may see, as far as the glue announces it. */
const APPLICATION_GLOBALS: ReadonlyMap<string, number> = new Map([...REMOTE_GLOBALS, ...SHORTCUTS_GLOBALS]);

export interface AppConnectionOptions {
  /** What goes through pipes. Lent. */
  readonly transfers: Transfers;
  /** A connection to the allocator, opened when the link turns out to have no glue at its other end. Lent. */
  readonly allocator: () => AllocatorClient;
  /** How long memory may be on its way, in milliseconds. Default: that of {@link LinkMemory}. */
  readonly memoryTimeoutMs?: number | undefined;
  /** Counts the pools of all applications of the proxy. Default: this one's alone. */
  readonly pools?: PoolLimit | undefined;
  /** The slabs of all applications of the proxy. Default: this one's are its own. */
  readonly arena?: SlabArena | undefined;
  /** Their link buffers that are not in use. Default: nothing is given up. */
  readonly idle?: IdleBuffers | undefined;
  /** Whether a copy of so many bytes is to be made in a thread. Default: none is. */
  readonly inThread?: ((bytes: number) => boolean) | undefined;
  /** Is told every message. */
  readonly trace?: Trace | undefined;
}

export interface AppConnectionEvents {
  /** The compositor itself has answered for the first time: the glue may say something before. */
  answered: () => void;
  /** A frame waits for memory, or does not any more: what the user should read. */
  shortage: (text: string) => void;
  close: (reason: Error | undefined) => void;
}

/** Globals of the link that give memory: of all others of the connection's own registry nothing is kept. */
const MEMORY_GLOBALS: readonly string[] = ['virtwl_memory_v1', 'wl_shm'];

/** Serves one application over one link. Owns both channels. */
export class AppConnection extends EventEmitter<AppConnectionEvents> {
  readonly #tally = new CopyTally();
  readonly #latencies = new Latencies();
  readonly #relay: Relay;
  readonly #options: AppConnectionOptions;
  readonly #memory: LinkMemory;
  readonly #held: HeldRequests;
  readonly #surfaces = new Set<AppSurface>();
  readonly #frames: WaitingFrames;
  readonly #presentation = new Presentation();
  readonly #releases = new Releases(() => this.#relay);
  readonly #windows = new AppWindows();
  readonly #pools = new Set<AppPool>();
  readonly #registry: RelayObject<'wl_registry'>;
  /** Those of {@link MEMORY_GLOBALS} that were announced, by interface. */
  readonly #globals = new Map<string, Global>();
  #source: MemorySource | undefined;
  #sourceReady!: (source: MemorySource) => void;
  #sourceFailed!: (error: Error) => void;

  constructor(app: Channel, link: Channel, options: AppConnectionOptions) {
    super();
    this.#options = options;
    const source = new Promise<MemorySource>((resolve, reject) => {
      this.#sourceReady = resolve;
      this.#sourceFailed = reject;
    });
    source.catch(() => {}); // the allocation that waits for it rejects
    const { arena, idle } = options;
    this.#memory = new LinkMemory(
      {
        allocate: async size => (this.#source ?? (await source)).allocate(size),
        join: async key => (this.#source ?? (await source)).join!(key),
      },
      () => this.#frames.retry(),
      {
        timeoutMs: options.memoryTimeoutMs,
        arena,
        relieve: bytes => idle?.giveUp(bytes, this.#memory) ?? false,
        pausing: () => this.#frames.pausing,
      },
    );
    const owner = { memory: this.#memory, surfaces: this.#surfaces, flush: () => this.#relay.flush() };
    idle?.owners.add(owner);
    const presentation = this.#presentation;
    const families = new SurfaceFamilies();
    const merge = (surface: RelayObject<'wl_surface'>): void => {
      for (const feedback of this.#surface(surface).merge(surface)) presentation.supersede(feedback);
    };
    this.#frames = new WaitingFrames({
      relay: () => this.#relay,
      held: () => this.#held,
      memory: () => this.#memory,
      surfaceOf: object => this.#surface(object),
      merge,
      tell: text => this.emit('shortage', text),
    });
    this.#held = new HeldRequests({
      relay: () => this.#relay,
      families,
      isGlobal: name => APPLICATION_GLOBALS.has(name),
      merge,
    });
    this.#relay = new Relay(app, link, {
      set: 'proxy',
      trace: options.trace,
      concerns: [
        globalsConcern(presentation.policy(allowOnly(APPLICATION_GLOBALS)), global => {
          presentation.sees(global);
          if (MEMORY_GLOBALS.includes(global.interface)) this.#globals.set(global.interface, global);
        }),
        slabAnswers(bytes => idle?.wished(bytes)),
        presentation.concern,
        iconsConcern(() => this.#memory),
        families.concern,
        this.#windows.concern,
        {
          name: 'copy',
          after: ['icons'],
          requests: this.#requestHandlers(),
          events: this.#eventHandlers(),
          made: {
            wp_presentation_feedback: (object, call: Call<string, never>) => {
              const surface = namedBy(call).find(named => named.is('wl_surface'));
              if (surface !== undefined) this.#surface(surface).feedback(object);
            },
          },
        },
      ],
      frameDamage: MAX_RECTS,
      copies: this.#tally,
      hold: this.#held,
      batchEnds: saying => this.#releases.batchEnds(saying),
      // Pools are handled below; what is left gives a pipe's write end away.
      toServer: { sink: (_call, fd) => this.#options.transfers.pipeForSink(fd) },
      // What came over the link is a vfd, and a vfd is a descriptor like any other to the application.
      toClient: { sink: (_call, fd) => fd, keymap: (call, fd) => keymapForApp(call, fd) },
    });
    this.#relay.on('close', reason => {
      idle?.owners.delete(owner);
      this.#closed(reason);
    });

    this.#registry = this.#relay.inject('wl_registry', 1);
    presentation.attach(this.#relay, this.#registry);
    this.#relay.request(this.#relay.display, 'get_registry', { registry: this.#registry });
    this.#relay.sync(() => this.#chooseSource());
    this.#relay.flush();
    this.#relay.start();
  }

  /** The most by which a time of a frame is wrong that it is told now, in nanoseconds; undefined as long as it wants none. */
  get clockErrorNs(): number | undefined {
    return this.#presentation.errorNs;
  }

  get counters(): CopyCounters {
    return this.#tally.counters;
  }

  /** How long the compositor has had its buffers. */
  get latencies(): Latencies {
    for (const time of this.#relay.pass?.takeReleaseTimes() ?? []) this.#latencies.add(time);
    return this.#latencies;
  }

  /** How many frames have passed natively: for tests. @internal */
  get passedFrames(): number {
    return this.#relay.passedFrames;
  }

  /** Toplevel windows that it has. */
  get windowCount(): number {
    return this.#windows.count;
  }

  /** What frames of it wait for, and since when, of `performance.now()`. */
  get wait(): { readonly for: 'memory' | 'release'; readonly since: number } | undefined {
    const { since: memory } = this.#frames;
    if (memory !== undefined) return { for: 'memory', since: memory };
    const { since: release } = this.#held;
    return release === undefined ? undefined : { for: 'release', since: release };
  }

  /** Asks the compositor; `answered` is called when it has answered, not when the connection ends. */
  ask(answered: () => void): void {
    if (this.#relay.closed) return;
    this.#relay.sync(answered);
    this.#relay.flush();
  }

  /** How much the compositor has answered so far. */
  get answers(): number {
    return this.#relay.answers;
  }

  /** Calls `spoken` once, when the application says something the next time. */
  listen(spoken: () => void): void {
    this.#relay.whenSpoken(spoken);
  }

  close(): void {
    this.#relay.close(undefined);
  }

  #chooseSource(): void {
    this.emit('answered');
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

  #requestHandlers(): RequestHandlers {
    return {
      ...shmHandlers({
        pools: this.#pools,
        limit: this.#options.pools,
        replacing: () => this.#takeBack(),
        destroyed: buffer => this.#releases.forget(buffer),
      }),
      wl_surface: {
        attach: call => this.#attach(call),
        damage: ({ object, args: { x, y, width, height } }) => {
          this.#surface(object).damageSurface(x, y, width, height);
          return Verdict.Forward;
        },
        damage_buffer: ({ object, args: { x, y, width, height } }) => {
          this.#surface(object).damageBuffer(x, y, width, height);
          return Verdict.Forward;
        },
        set_buffer_scale: ({ object, args }) => {
          // Nonsense is the compositor's to answer; we only must not divide by it.
          this.#surface(object).geometry.scale = Math.max(1, args.scale);
          return Verdict.Forward;
        },
        set_buffer_transform: ({ object, args }) => {
          this.#surface(object).geometry.transform = args.transform;
          return Verdict.Forward;
        },
        offset: ({ relay, object, args: { x, y } }) => {
          const sum = this.#surface(object).offset(x, y);
          if (sum === undefined) return Verdict.Forward;
          relay.request(object, 'offset', sum);
          return Verdict.Drop;
        },
        commit: call => this.#commit(call),
        destroy: ({ object }) => {
          const surface = this.#surface(object);
          surface.destroy();
          this.#surfaces.delete(surface);
          this.#frames.settled(object);
          return Verdict.Forward;
        },
      },
      ...viewportHandlers(object => this.#surface(object)),
    };
  }

  #eventHandlers(): EventHandlers {
    return {
      wl_shm: {
        format: ({ args: { format } }) => (bytesPerPixel(format) === undefined ? Verdict.Drop : Verdict.Forward),
      },
      wl_buffer: {
        release: ({ object }) => {
          if (object.clientId !== 0) return Verdict.Forward;
          const { surface, buffer } = object.data as LinkBufferOwner;
          surface.released(buffer);
          this.#frames.released();
          return Verdict.Drop;
        },
      },
    };
  }

  #surface(object: RelayObject<'wl_surface'>): AppSurface {
    if (object.data === undefined) {
      const { idle, inThread } = this.#options;
      const spare = (bytes: number): boolean => idle?.has(bytes) ?? false;
      const giveBack = (buffer: RelayObject<'wl_buffer'>): void => this.#releases.add(buffer);
      const work = { inThread: (bytes: number) => inThread?.(bytes) ?? false, done: () => this.#frames.retry() };
      const surface = new AppSurface(this.#relay, this.#memory, this.#tally, giveBack, spare, work, this.#latencies);
      object.data = surface;
      this.#surfaces.add(surface);
    }
    return object.data as AppSurface;
  }

  /** No frame passes natively until it is lent again. */
  #takeBack(): void {
    for (const surface of this.#surfaces) surface.takeBack();
  }

  #attach({ object, args }: Call<'wl_surface', RequestValues<'wl_surface', 'attach'>>): Verdict {
    const surface = this.#surface(object);
    const { buffer, x, y } = args;
    if (!(buffer?.data instanceof AppBuffer)) {
      // None, or one without pixels of its own (wp_single_pixel_buffer): nothing to copy.
      surface.attach(undefined);
      return Verdict.Forward;
    }
    // The commit that is said later says nothing of this one's mistake.
    checkAttachOffset(object, x, y);
    surface.attach({ buffer: buffer.data, object: buffer, x, y });
    return Verdict.Drop;
  }

  #commit(call: Call<'wl_surface'>): Verdict {
    const { object } = call;
    let outcome: ReturnType<AppSurface['commit']>;
    try {
      outcome = this.#surface(object).commit(object, this.#held.pressed);
    } catch (error) {
      if (error instanceof NoMemory) {
        this.#takeBack();
        return this.#frames.refused(call, error);
      }
      if (error instanceof ProtocolError) throw error;
      throw new ProtocolError(1, WlDisplayError.no_memory, `virtwl: ${(error as Error).message}`);
    }
    if (outcome === 'done') {
      this.#frames.settled(object);
      if (!this.#held.holding && this.#frames.since === undefined) this.#surface(object).lend(object);
      return Verdict.Forward;
    }
    if (outcome !== 'held' || this.#held.replaying) return Verdict.Stall;
    this.#tally.held += 1;
    this.#held.begin(call);
    return Verdict.Drop;
  }

  #closed(reason: Error | undefined): void {
    this.#frames.close();
    this.#releases.close();
    this.#sourceFailed(new Error('the connection was closed'));
    for (const pool of [...this.#pools]) pool.close();
    this.#memory.close();
    this.emit('close', reason);
  }
}
