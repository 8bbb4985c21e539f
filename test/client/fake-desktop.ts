/**
 * A compositor with glue, as the drawing library sees it: configures windows, grants slabs, and otherwise does what a
 * test tells it.
 */
import type { Test } from 'tap';
import { DirectClient } from '../../src/direct/direct.js';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { UnixSocket } from '../../src/system/unix-socket.js';
import type { Device } from '../../src/virtwl/device.js';
import { Memory } from '../../src/virtwl/vfd.js';
import { FakeCompositor, type Received } from '../wayland/fake-compositor.js';

const GLOBALS: readonly (readonly [string, number])[] = [
  ['wl_compositor', 4],
  ['wl_shm', 1],
  ['xdg_wm_base', 2],
  ['virtwl_memory_v1', 1],
];

/** What became of one commit. */
export interface Shown {
  readonly buffer: number;
  readonly damage: readonly (readonly number[])[];
  /** The serial that was acknowledged since the commit before. */
  readonly acked: number | undefined;
}

export class FakeDesktop {
  readonly compositor: FakeCompositor;
  /** What the next windows are told. */
  size: readonly [number, number] = [0, 0];
  /** Instead of granting a slab: refuse it with these words, or grant less, or nothing at all. */
  slabs: 'grant' | 'refuse' | 'short' | 'silent' = 'grant';
  /** The slabs granted, by the id of their virtwl_slab_v1; this test's to close. */
  readonly granted = new Map<number, Memory>();
  /** Commits with a buffer, oldest first. */
  readonly shown: Shown[] = [];
  /** create_buffer by the buffer's id: pool, offset, width, height, stride, format. */
  readonly buffers = new Map<number, readonly number[]>();
  /** Names of all requests, oldest first. */
  readonly requests: string[] = [];
  #serial = 100;
  #xdgSurface = 0;
  #toplevel = 0;
  #attached: number | undefined;
  #damage: number[][] = [];
  #acked: number | undefined;
  readonly #callbacks: number[] = [];

  constructor(fd: OwnedFd, globals = GLOBALS) {
    this.compositor = new FakeCompositor(fd, globals);
    this.compositor.answer = call => this.#answer(call);
  }

  /** Tells the last window a size (0 leaves the choice to it) and returns the serial. */
  configure(width: number, height: number): number {
    const serial = this.#serial++;
    this.compositor.event(this.#toplevel, 'configure', [width, height, new Uint8Array(0)]);
    this.compositor.event(this.#xdgSurface, 'configure', [serial]);
    this.compositor.flush();
    return serial;
  }

  /** Releases a buffer. */
  release(buffer: number): void {
    this.compositor.event(buffer, 'release');
    this.compositor.flush();
  }

  /** Answers all frame callbacks of the commits so far. */
  frame(): void {
    for (const id of this.#callbacks.splice(0)) {
      this.compositor.event(id, 'done', [7]);
      this.compositor.event(1, 'delete_id', [id]);
    }
    this.compositor.flush();
  }

  #answer(call: Received): void {
    const [, name] = call.request.split('.') as [string, string];
    const ids = call.args as number[];
    this.requests.push(call.request);
    if (name === 'destroy') this.compositor.event(1, 'delete_id', [call.id]);
    switch (call.request) {
      case 'virtwl_memory_v1.allocate':
        this.#allocate(ids[0]!, ids[1]!);
        break;
      case 'wl_shm.create_pool':
        (call.args[1] as unknown as OwnedFd).close();
        break;
      case 'wl_shm_pool.create_buffer':
        this.buffers.set(ids[0]!, [call.id, ...ids.slice(1)]);
        break;
      case 'wl_buffer.destroy':
        this.buffers.delete(call.id);
        break;
      case 'xdg_wm_base.get_xdg_surface':
        this.#xdgSurface = ids[0]!;
        break;
      case 'xdg_surface.get_toplevel':
        this.#toplevel = ids[0]!;
        break;
      case 'xdg_surface.ack_configure':
        this.#acked = ids[0]!;
        break;
      case 'wl_surface.attach':
        this.#attached = ids[0]!;
        break;
      case 'wl_surface.damage_buffer':
        this.#damage.push(ids);
        break;
      case 'wl_surface.frame':
        this.#callbacks.push(ids[0]!);
        break;
      case 'wl_surface.commit':
        if (this.#attached !== undefined) {
          this.shown.push({ buffer: this.#attached, damage: this.#damage, acked: this.#acked });
        } else {
          this.configure(...this.size);
        }
        this.#attached = undefined;
        this.#damage = [];
        this.#acked = undefined;
        break;
    }
  }

  #allocate(slab: number, size: number): void {
    if (this.slabs === 'silent') return;
    if (this.slabs === 'refuse') {
      this.compositor.event(slab, 'refused', [2, 'the share of this VM is used up']);
      return;
    }
    const bytes = this.slabs === 'short' ? size - 1 : size;
    const memory = new Memory(native.memfd('fake-slab', bytes, 0), bytes);
    this.granted.set(slab, memory);
    this.compositor.event(slab, 'memory', [memory.share(), bytes]);
  }

  close(): void {
    this.compositor.socket.close();
    for (const memory of this.granted.values()) memory.close();
    this.granted.clear();
  }
}

/** A device whose every server is this socket. */
export function deviceOf(socket: UnixSocket): Device {
  return { connect: () => socket } as unknown as Device;
}

/** A client that is connected to a desktop. Both go with the test. */
export async function connectDesktop(
  t: Pick<Test, 'teardown'>,
  globals?: readonly (readonly [string, number])[],
): Promise<{ client: DirectClient; desktop: FakeDesktop }> {
  const [a, b] = native.socketpair();
  const desktop = new FakeDesktop(new OwnedFd(a), globals);
  t.teardown(() => desktop.close());
  const client = await DirectClient.overDevice(deviceOf(new UnixSocket(new OwnedFd(b))));
  t.teardown(() => client.close());
  return { client, desktop };
}
