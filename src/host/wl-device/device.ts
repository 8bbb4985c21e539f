/**
 * The virtio_wl device between its queues and its state. Requests of the driver come out of the queue `out` and go to
 * {@link WlState}; answers go back when they are there, in any order. What waits for the guest goes into the buffers that
 * the driver keeps in the queue `in`, whole steps at a time.
 *
 * Stopping is not the end: a VMM stops the device to pause the VM, too. The state and the requests that are not answered
 * live on until {@link WlDevice.reset}; the driver's buffers go back to the queue as they came.
 */
import type { DeviceStart, VhostUserDevice } from '../vhost-user/device.js';
import { GuestFault } from '../vhost-user/guest-memory.js';
import { SharedMemory } from '../vhost-user/shared-memory.js';
import type { Chain, Virtqueue } from '../vhost-user/virtqueue.js';
import type { VfdQueue } from './guest-queue.js';
import { MAX_COMMAND_BYTES, MAX_QUEUE_DESCRIPTORS, type WlLimits } from './limits.js';
import { WlState } from './state.js';
import { encodeResponse, FEATURE_TRANS_FLAGS, FEATURE_USE_SHMEM, Response, SHARED_MEMORY_BYTES } from './wire.js';
import type { WlHost } from './wl-host.js';

/** Queues by index. */
export const IN_QUEUE = 0;
export const OUT_QUEUE = 1;

/** The device's own feature bits. */
export const DEVICE_FEATURES = (1n << BigInt(FEATURE_TRANS_FLAGS)) | (1n << BigInt(FEATURE_USE_SHMEM));

/** Commands handled before others have their turn. */
const COMMANDS_PER_TURN = 64;

/** A command is copied out of guest memory, where it could change while it is parsed. One at a time. */
const commandBuffer = new Uint8Array(MAX_COMMAND_BYTES);

export class WlDevice implements VhostUserDevice {
  readonly features = DEVICE_FEATURES;
  readonly queueSizes = [MAX_QUEUE_DESCRIPTORS, MAX_QUEUE_DESCRIPTORS];
  readonly sharedMemory: readonly SharedMemory[];
  readonly #memory: SharedMemory;
  #state: WlState | undefined;
  #running: DeviceStart | undefined;
  /** Buffers of the driver that nothing was written to, oldest first. */
  #free: Chain[] = [];
  /** Buffers with a message that a program of the guest has to read first, by their address, oldest first. */
  readonly #unread = new Map<number, VfdQueue>();
  /** Answers that came while the device was stopped. */
  #answers: { chain: Chain; answer: Uint8Array }[] = [];
  #turn: NodeJS.Immediate | undefined;
  #signalling = false;
  #handling = false;
  #delivering = false;
  #faulted = false;

  constructor(
    private readonly host: WlHost,
    private readonly limits: WlLimits,
  ) {
    this.#memory = new SharedMemory(SHARED_MEMORY_BYTES, limits.mappings, line => host.log(line));
    this.sharedMemory = [this.#memory];
  }

  /** What the guest has. */
  get counts(): WlState['counts'] & { readonly mappings: number } {
    const none = { vfds: 0, connections: 0, pipes: 0, queuedBytes: 0, receivedBytes: 0 };
    return { ...(this.#state?.counts ?? none), mappings: this.#memory.mappings };
  }

  start(start: DeviceStart): void {
    this.#state ??= this.#newState(start.features);
    this.#running = start;
    this.#guarded(() => {
      for (const { chain, answer } of this.#answers.splice(0)) outQueue(start).complete(chain, answer);
    });
    if (start.since === 'unknown') {
      this.host.log('the guest was there before this process was: its vfds are hung up');
      this.#state.hangUpAll();
    }
    this.#deliver();
    this.#handleCommands();
  }

  stop(): void {
    if (this.#running === undefined) return;
    clearImmediate(this.#turn);
    this.#turn = undefined;
    this.#signalNow();
    inQueue(this.#running).unpop(this.#free.length);
    this.#free = [];
    this.#running = undefined;
  }

  reset(): void {
    this.stop();
    this.#state?.close();
    this.#state = undefined;
    this.#unread.clear();
    this.#answers = [];
    this.#faulted = false;
  }

  kicked(index: number): void {
    if (index === OUT_QUEUE) this.#handleCommands();
    else this.#deliver();
  }

  #newState(features: bigint): WlState {
    const has = (bit: number): boolean => ((features >> BigInt(bit)) & 1n) === 1n;
    return new WlState(this.host, {
      limits: this.limits,
      transitionFlags: has(FEATURE_TRANS_FLAGS),
      sharedMemory: has(FEATURE_USE_SHMEM) ? this.#memory : undefined,
      wake: () => this.#deliver(),
      ready: () => this.#handleCommands(),
    });
  }

  // ---- out: commands ---------------------------------------------------------------------------------------------

  #handleCommands(): void {
    // A turn that is due, or under way, takes what has come meanwhile.
    if (this.#turn !== undefined || this.#handling) return;
    this.#handling = true;
    this.#guarded((running, state) => {
      const queue = outQueue(running);
      for (let count = 0; count < COMMANDS_PER_TURN; count++) {
        if (state.busy) break;
        const chain = queue.pop();
        if (chain !== undefined) this.#handle(queue, chain, state);
        else if (!queue.enableNotifications()) break;
        if (count === COMMANDS_PER_TURN - 1) {
          queue.disableNotifications();
          this.#turn = setImmediate(() => {
            this.#turn = undefined;
            this.#handleCommands();
          });
        }
      }
    });
    this.#handling = false;
  }

  #handle(queue: Virtqueue, chain: Chain, state: WlState): void {
    if (chain.readableBytes > MAX_COMMAND_BYTES) {
      this.host.log(`a command of ${chain.readableBytes} bytes; the most is ${MAX_COMMAND_BYTES}`);
      this.#answer(chain, encodeResponse(Response.Err), state);
      return;
    }
    const length = queue.read(chain, commandBuffer);
    state.handle(commandBuffer.subarray(0, length), answer => this.#answer(chain, answer, state));
  }

  #answer(chain: Chain, answer: Uint8Array, state: WlState): void {
    // A state that is gone answers nobody: the chain was a former driver's.
    if (state !== this.#state) return;
    if (this.#running === undefined) {
      this.#answers.push({ chain, answer });
      return;
    }
    this.#guarded(running => outQueue(running).complete(chain, answer));
    this.#signalSoon();
  }

  // ---- in: messages ------------------------------------------------------------------------------------------------

  #deliver(): void {
    if (this.#delivering) return;
    this.#delivering = true;
    this.#guarded((running, state) => {
      const queue = inQueue(running);
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
        this.#signalSoon();
      }
    });
    this.#delivering = false;
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
    this.#state?.queue.returned(from);
  }

  // ---- both ----------------------------------------------------------------------------------------------------------

  /** Runs what touches the rings, while the device runs; what the driver did wrong ends that. */
  #guarded(work: (running: DeviceStart, state: WlState) => void): void {
    if (this.#running === undefined || this.#state === undefined || this.#faulted) return;
    try {
      work(this.#running, this.#state);
    } catch (error) {
      if (!(error instanceof GuestFault)) {
        this.#handling = false;
        this.#delivering = false;
        throw error;
      }
      this.#faulted = true;
      // Others shall not wait for a guest that is not served any more.
      this.#state.close();
      this.#running.faulted(error);
    }
    this.#signalSoon();
  }

  /** Once for all that this turn of the event loop completes. */
  #signalSoon(): void {
    if (this.#signalling) return;
    this.#signalling = true;
    queueMicrotask(() => this.#signalNow());
  }

  #signalNow(): void {
    this.#signalling = false;
    if (this.#running === undefined) return;
    for (const { queue, signal } of this.#running.queues) if (queue.signal()) signal();
  }
}

function inQueue({ queues }: DeviceStart): Virtqueue {
  return queues[IN_QUEUE]!.queue;
}

function outQueue({ queues }: DeviceStart): Virtqueue {
  return queues[OUT_QUEUE]!.queue;
}

/** What tells one of the driver's buffers from the others, with any descriptor. */
function addressOf(chain: Chain): number {
  return chain.writable[0]?.address ?? -1;
}
