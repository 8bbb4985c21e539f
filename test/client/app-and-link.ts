/**
 * An application's connection between two peers: an application that does what a test tells it, and the far end of the
 * link, which stands for a glue with its compositor (or for a compositor alone) and holds the memory behind every buffer,
 * so that a test can look at what the compositor would show.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { AllocatorClient } from '../../src/allocator/client.js';
import { AppConnection } from '../../src/client/app-connection.js';
import type { IdleBuffers } from '../../src/client/idle-buffers.js';
import type { SlabArena } from '../../src/slabs/slab-arena.js';
import { OwnedFd } from '../../src/system/fd.js';
import { native, type Mapping } from '../../src/system/native.js';
import { UnixSocket } from '../../src/system/unix-socket.js';
import { openDevice, type Device } from '../../src/virtwl/device.js';
import { SocketVfd } from '../../src/virtwl/vfd.js';
import { Transfers } from '../../src/relay/transfers.js';
import { Peer, settle, type Received } from '../relay/peer.js';
import { testNative } from '../test-native.js';

/** What the far end announces, by name. */
export const LINK_GLOBALS: readonly (readonly [string, number])[] = [
  ['wl_compositor', 6],
  ['wl_shm', 1],
  ['wl_seat', 7],
  ['wl_output', 4],
  ['wp_viewporter', 1],
  ['wp_single_pixel_buffer_manager_v1', 1],
  ['wl_data_device_manager', 3],
  ['wl_subcompositor', 1],
  ['zwlr_screencopy_manager_v1', 3],
  ['virtwl_memory_v1', 2],
];

/** A buffer that the far end knows. */
export interface LinkedBuffer {
  readonly pool: number;
  readonly offset: number;
  readonly width: number;
  readonly height: number;
  readonly stride: number;
  readonly format: number;
}

/** What a surface shows at the far end, as of its last commit. */
export interface LinkedSurface {
  /** What the next commit shows; undefined where nothing was attached for it. */
  pending: number | 'nothing' | undefined;
  /** The id of the buffer; undefined: nothing. */
  shown: number | undefined;
  commits: number;
}

/** The far end of the link. */
export class FarEnd {
  readonly pools = new Map<number, { readonly mapping: Mapping; readonly size: number }>();
  readonly buffers = new Map<number, LinkedBuffer>();
  readonly surfaces = new Map<number, LinkedSurface>();
  /** Buffers that were committed and not released, oldest first. */
  readonly held: number[] = [];
  /** Slabs that were asked for: id and size. */
  readonly asked: { readonly id: number; readonly size: number }[] = [];
  readonly slabs = new Map<number, { readonly fd: OwnedFd; readonly size: number }>();
  /** How slabs are answered. */
  slabAnswer: 'grant' | 'refuse' | 'wait' = 'grant';
  /** Over this size they are refused. */
  largest = Infinity;
  readonly mistakes: string[] = [];
  /** The proxy's virtwl_memory_v1. */
  #memory = 0;

  constructor(
    readonly peer: Peer,
    readonly globals = LINK_GLOBALS,
  ) {
    peer.answer = received => this.#receive(received);
  }

  /** Grants a slab that waits. */
  grant(id: number, size = this.asked.find(item => item.id === id)!.size, actual = size): void {
    const fd = new OwnedFd(native.memfd('virtwl-far-end', actual, 0));
    this.slabs.set(id, { fd, size });
    this.peer.say(id, 'memory', [new OwnedFd(native.dup(fd.fd)), size]);
  }

  refuse(id: number): void {
    this.peer.say(id, 'refused', [2, 'this VM has had enough']);
  }

  /** Says that another program of the VM was refused so many bytes. */
  short(bytes: number): void {
    this.peer.say(this.#memory, 'short', [bytes]);
  }

  /** Releases a buffer that is held. */
  release(buffer: number): void {
    this.held.splice(this.held.indexOf(buffer), 1);
    this.peer.say(buffer, 'release');
  }

  /** The pixels of a buffer, row by row without what is between them. */
  pixels(buffer: number, bytesPerPixel = 4): Buffer {
    const { pool, offset, width, height, stride } = this.buffers.get(buffer)!;
    const memory = Buffer.from(this.pools.get(pool)!.mapping.buffer);
    return Buffer.concat(
      Array.from({ length: height }, (_, y) =>
        memory.subarray(offset + y * stride, offset + y * stride + width * bytesPerPixel),
      ),
    );
  }

  close(): void {
    this.peer.close();
    for (const { mapping } of this.pools.values()) mapping.unmap();
    for (const { fd } of this.slabs.values()) fd.close();
    this.pools.clear();
    this.slabs.clear();
  }

  #receive(received: Received): void {
    const { id, name } = received;
    const args = received.args as number[];
    this.peer.answerBasics(received);
    switch (name) {
      case 'wl_display.get_registry':
        this.globals.forEach(([iface, version], i) => this.peer.say(args[0]!, 'global', [i + 1, iface, version]));
        break;
      case 'wl_registry.bind': {
        const bind = received.args[1] as { interface: string; id: number };
        if (bind.interface === 'virtwl_memory_v1') this.#memory = bind.id;
        break;
      }
      case 'virtwl_memory_v1.allocate':
        this.asked.push({ id: args[0]!, size: args[1]! });
        if (this.slabAnswer === 'refuse' || args[1]! > this.largest) this.refuse(args[0]!);
        else if (this.slabAnswer === 'grant') this.grant(args[0]!);
        break;
      case 'virtwl_slab_v1.create_pool': {
        const slab = this.slabs.get(id);
        if (slab === undefined) this.mistakes.push('create_pool before memory');
        else this.pools.set(args[0]!, { mapping: native.map(slab.fd.fd, 0, slab.size, false), size: slab.size });
        break;
      }
      case 'virtwl_slab_v1.destroy':
        this.slabs.get(id)?.fd.close();
        this.slabs.delete(id);
        break;
      case 'wl_shm.create_pool': {
        const fd = this.peer.takeFd(received.args[1]);
        this.pools.set(args[0]!, { mapping: native.map(fd.fd, 0, args[2]!, false), size: args[2]! });
        fd.close();
        break;
      }
      case 'wl_shm_pool.create_buffer': {
        const [buffer, offset, width, height, stride, format] = args as [
          number,
          number,
          number,
          number,
          number,
          number,
        ];
        const pool = this.pools.get(id);
        if (pool === undefined || offset < 0 || offset + stride * height > pool.size)
          this.mistakes.push('a buffer outside of its pool');
        for (const other of this.buffers.values()) {
          const apart =
            other.offset + other.stride * other.height <= offset || offset + stride * height <= other.offset;
          if (other.pool === id && !apart) this.mistakes.push('buffers overlap');
        }
        this.buffers.set(buffer, { pool: id, offset, width, height, stride, format });
        break;
      }
      case 'wl_shm_pool.destroy':
        this.pools.get(id)?.mapping.unmap();
        this.pools.delete(id);
        break;
      case 'wl_buffer.destroy':
        if (this.held.includes(id)) this.mistakes.push('a buffer destroyed while it is held');
        this.buffers.delete(id);
        break;
      case 'wl_compositor.create_surface':
        this.surfaces.set(args[0]!, { pending: undefined, shown: undefined, commits: 0 });
        break;
      case 'wl_surface.attach':
        this.surfaces.get(id)!.pending = args[0] ?? 'nothing';
        break;
      case 'wl_surface.commit': {
        const surface = this.surfaces.get(id)!;
        surface.commits += 1;
        if (surface.pending === undefined) break;
        surface.shown = surface.pending === 'nothing' ? undefined : surface.pending;
        if (surface.shown !== undefined && this.buffers.has(surface.shown)) {
          if (this.held.includes(surface.shown)) this.mistakes.push('a buffer attached that is held already');
          else this.held.push(surface.shown);
        }
        surface.pending = undefined;
        break;
      }
    }
  }
}

export interface AppAndLink {
  readonly app: Peer;
  readonly far: FarEnd;
  readonly connection: AppConnection;
  readonly device: Device;
  readonly transfers: Transfers;
  /** The reason of its end, once it has ended. */
  readonly ends: (Error | undefined)[];
  /** The application's objects. */
  readonly registry: number;
  readonly factory: number;
  readonly shm: number;
}

export interface AppAndLinkOptions {
  readonly globals?: readonly (readonly [string, number])[];
  readonly allocator?: () => AllocatorClient;
  readonly memoryTimeoutMs?: number;
  /** What it has in common with other applications of its proxy. */
  readonly arena?: SlabArena;
  readonly idle?: IdleBuffers;
  /** Which copies are made in a thread. */
  readonly inThread?: (bytes: number) => boolean;
}

/** The number under which a global is announced. */
export function nameOf(iface: string): number {
  return LINK_GLOBALS.findIndex(([name]) => name === iface) + 1;
}

/** A loopback directory of its own, which goes with the test. */
export function loopbackDirectory(t: Pick<Test, 'teardown'>): string {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-test-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Connects an application, which has bound wl_compositor and wl_shm. */
export async function connectApp(t: Pick<Test, 'teardown'>, options: AppAndLinkOptions = {}): Promise<AppAndLink> {
  const device = openDevice({ loopback: loopbackDirectory(t) });
  const [a, b] = native.socketpair();
  const far = new FarEnd(new Peer('compositor', new OwnedFd(a)), options.globals);
  const link = device.adopt(new SocketVfd(b));
  const [c, d] = native.socketpair();
  const app = new Peer('client', new OwnedFd(c));
  const transfers = new Transfers(device);
  const ends: (Error | undefined)[] = [];
  const connection = new AppConnection(new UnixSocket(new OwnedFd(d)), link, {
    transfers,
    memoryTimeoutMs: options.memoryTimeoutMs,
    arena: options.arena,
    idle: options.idle,
    inThread: options.inThread,
    allocator:
      options.allocator ??
      (() => {
        throw new Error('this VM has no allocator');
      }),
  });
  connection.on('close', reason => ends.push(reason));
  t.teardown(() => {
    connection.close();
    transfers.close();
    app.close();
    far.close();
  });
  const registry = app.make(1, 'get_registry');
  await settle();
  const factory = app.bind(registry, nameOf('wl_compositor'), 'wl_compositor', 6);
  const shm = app.bind(registry, nameOf('wl_shm'), 'wl_shm', 1);
  await settle();
  return { app, far, connection, device, transfers, ends, registry, factory, shm };
}

/** A `wl_shm` pool of the application, drawn into by a mapping of its own. */
export class DrawnPool {
  readonly #fd: OwnedFd;
  #mapping: Mapping;
  readonly id: number;

  constructor(
    readonly link: AppAndLink,
    readonly size: number,
    /** Bytes of the file, where they are not as many. */
    actual = size,
  ) {
    this.#fd = new OwnedFd(native.memfd('virtwl-app-pool', actual, 0));
    this.#mapping = native.map(this.#fd.fd, 0, size, true);
    this.id = link.app.make(link.shm, 'create_pool', ['new', new OwnedFd(native.dup(this.#fd.fd)), size]);
  }

  get bytes(): Uint8Array {
    return new Uint8Array(this.#mapping.buffer);
  }

  buffer(offset: number, width: number, height: number, stride = 4 * width, format = 0): number {
    return this.link.app.make(this.id, 'create_buffer', ['new', offset, width, height, stride, format]);
  }

  /** Grows file and pool. */
  resize(size: number): void {
    testNative.truncate(this.#fd.fd, size);
    this.#mapping.unmap();
    this.#mapping = native.map(this.#fd.fd, 0, size, true);
    this.link.app.say(this.id, 'resize', [size]);
  }

  /** Cuts the file off, and tells nobody. */
  truncate(size: number): void {
    testNative.truncate(this.#fd.fd, size);
  }

  /** Gives up the test's own hold of it. */
  close(): void {
    this.#mapping.unmap();
    this.#fd.close();
  }
}
