/**
 * The virtio_wl device between its queues and its state. Requests of the driver come out of the queue `out` and go to
 * {@link WlState} (`../guest/device.ts`). What waits for the guest goes into the buffers that the driver keeps in the queue
 * `in`, whole steps at a time; where the device is stopped, those that nothing was written to go back as they came.
 */
import { GuestDevice } from '../guest/device.js';
import type { GuestLimits } from '../guest/limits.js';
import type { GuestHost } from '../guest/resources.js';
import type { DeviceStart } from '../vhost-user/device.js';
import { GuestFault } from '../vhost-user/guest-memory.js';
import { MappingSlots, SharedMemory } from '../vhost-user/shared-memory.js';
import type { Chain, Virtqueue } from '../vhost-user/virtqueue.js';
import type { VfdQueue } from './guest-queue.js';
import { WlState } from './state.js';
import { encodeResponse, FEATURE_TRANS_FLAGS, FEATURE_USE_SHMEM, Response, SHARED_MEMORY_BYTES } from './wire.js';

/** Queues by index. */
export const IN_QUEUE = 0;
export const OUT_QUEUE = 1;

/** The device's own feature bits. */
export const DEVICE_FEATURES = (1n << BigInt(FEATURE_TRANS_FLAGS)) | (1n << BigInt(FEATURE_USE_SHMEM));

export class WlDevice extends GuestDevice<WlState> {
  readonly features = DEVICE_FEATURES;
  readonly sharedMemory: readonly SharedMemory[];
  readonly #memory: SharedMemory;
  /** Buffers of the driver that nothing was written to, oldest first. */
  #free: Chain[] = [];
  /** Buffers with a message that a program of the guest has to read first, by their address, oldest first. */
  readonly #unread = new Map<number, VfdQueue>();
  #delivering = false;

  /** `slots`: the VM's. Default: the device has them for itself. */
  constructor(
    host: GuestHost,
    private readonly limits: GuestLimits,
    slots = new MappingSlots(limits.mappings),
  ) {
    super(host, OUT_QUEUE);
    this.#memory = new SharedMemory(SHARED_MEMORY_BYTES, slots, line => host.log(line));
    this.sharedMemory = [this.#memory];
  }

  /** What the guest has. */
  get counts(): WlState['counts'] & { readonly mappings: number } {
    const none = { vfds: 0, connections: 0, pipes: 0, queuedBytes: 0, receivedBytes: 0 };
    return { ...(this.state?.counts ?? none), mappings: this.#memory.mappings };
  }

  override stop(): void {
    if (this.running !== undefined) inQueue(this.running).unpop(this.#free.length);
    this.#free = [];
    super.stop();
  }

  override reset(): void {
    super.reset();
    this.#unread.clear();
  }

  protected override newState({ features }: DeviceStart): WlState {
    const has = (bit: number): boolean => ((features >> BigInt(bit)) & 1n) === 1n;
    return new WlState(this.host, {
      limits: this.limits,
      transitionFlags: has(FEATURE_TRANS_FLAGS),
      sharedMemory: has(FEATURE_USE_SHMEM) ? this.#memory : undefined,
      wake: () => this.deliver(),
      ready: () => this.handleCommands(),
    });
  }

  protected override refuse(): Uint8Array {
    return encodeResponse(Response.Err);
  }

  protected override metLate(state: WlState): void {
    this.host.log('the guest was there before this process was: its vfds are hung up');
    state.hangUpAll();
  }

  protected override deliver(): void {
    if (this.#delivering) return;
    this.#delivering = true;
    try {
      this.guarded((running, state) => this.#deliverAll(inQueue(running), state));
    } finally {
      this.#delivering = false;
    }
  }

  #deliverAll(queue: Virtqueue, state: WlState): void {
    for (;;) {
      const taken = state.queue.take(this.#free.length);
      if (taken === undefined) {
        // Nothing waits, or there are too few buffers for it.
        if (this.#collect(queue)) continue;
        if (!state.queue.waiting && !state.queue.stuck) return queue.disableNotifications();
        if (!queue.enableNotifications()) return;
        continue;
      }
      for (const [i, message] of taken.messages.entries()) {
        const buffer = this.#free.shift()!;
        if (buffer.writableBytes < message.length) {
          throw new GuestFault(`a buffer of ${buffer.writableBytes} bytes for a message of ${message.length}`);
        }
        queue.complete(buffer, message);
        const last = i === taken.messages.length - 1;
        if (last && taken.from !== undefined) this.#noteUnread(buffer, taken.from);
      }
      this.signalSoon();
    }
  }

  /** Takes what buffers the driver has added; whether that changed anything. */
  #collect(queue: Virtqueue): boolean {
    const before = this.#free.length;
    const unread = this.#unread.size;
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
      if (this.#free.length === queue.size) throw new GuestFault(`more than ${queue.size} buffers at a time`);
      this.#free.push(chain);
      this.#noteReturned(addressOf(chain));
    }
    // A driver that copies, or uses other addresses each time: no more can be unread than it holds.
    for (const address of this.#unread.keys()) {
      if (this.#unread.size <= queue.size - this.#free.length) break;
      this.#noteReturned(address);
    }
    return this.#free.length > before || this.#unread.size < unread;
  }

  #noteUnread(buffer: Chain, from: VfdQueue): void {
    const address = addressOf(buffer);
    this.#noteReturned(address);
    this.#unread.set(address, from);
  }

  #noteReturned(address: number): void {
    const from = this.#unread.get(address);
    if (from === undefined) return;
    this.#unread.delete(address);
    this.state?.queue.returned(from);
  }
}

function inQueue({ queues }: DeviceStart): Virtqueue {
  return queues[IN_QUEUE]!.queue;
}

/** What tells one of the driver's buffers from the others, with any descriptor. */
function addressOf(chain: Chain): number {
  return chain.writable[0]?.address ?? -1;
}
