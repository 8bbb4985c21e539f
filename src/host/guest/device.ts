/**
 * A device between its queues and its state, whichever its kind. Commands of the driver come out of one queue and go to the
 * state; answers go back when they are there, in any order. What its other queue is for is the kind's.
 *
 * Stopping is not the end: a VMM stops the device to pause the VM, too. The state and the requests that are not answered
 * live on until {@link GuestDevice.reset}.
 */
import type { DeviceStart, VhostUserDevice } from '../vhost-user/device.js';
import { GuestFault } from '../vhost-user/guest-memory.js';
import type { SharedMemory } from '../vhost-user/shared-memory.js';
import type { Chain, Virtqueue } from '../vhost-user/virtqueue.js';
import { MAX_COMMAND_BYTES, MAX_QUEUE_DESCRIPTORS } from './limits.js';
import type { GuestHost } from './resources.js';

/** Commands handled before others have their turn. */
const COMMANDS_PER_TURN = 64;

/** A command is copied out of guest memory, where it could change while it is parsed. One at a time. */
const commandBuffer = new Uint8Array(MAX_COMMAND_BYTES);

/** How often driver and device told each other that there is something in a queue: virtio's notifications. */
export interface Notifications {
  /** By the driver. Those that came before the device looked count as one: it was woken once. */
  kicks: number;
  /** By the device. A VMM may make fewer of them in the guest. */
  interrupts: number;
}

/** What a guest has of a device. */
export interface GuestState {
  /** So much waits for servers that no further command should be handled now. */
  readonly busy: boolean;
  /**
   * Handles one command of the guest. `command` is valid during the call only. `respond` is called once, now or later,
   * unless the state is closed before. Never throws.
   */
  handle(command: Uint8Array, respond: (answer: Uint8Array) => void): void;
  /** Closes everything. No response and nothing else comes afterwards. Idempotent. */
  close(): void;
}

export abstract class GuestDevice<S extends GuestState> implements VhostUserDevice {
  abstract readonly features: bigint;
  abstract readonly sharedMemory: readonly (SharedMemory | undefined)[];
  readonly queueSizes = [MAX_QUEUE_DESCRIPTORS, MAX_QUEUE_DESCRIPTORS];
  protected state: S | undefined;
  protected running: DeviceStart | undefined;
  /** Where notifications are counted: those of its server, which has a device for each front-end. */
  notifications: Notifications = { kicks: 0, interrupts: 0 };
  /** Answers that came while the device was stopped. */
  #answers: { chain: Chain; answer: Uint8Array }[] = [];
  #turn: NodeJS.Immediate | undefined;
  #signalling = false;
  #handling = false;
  #faulted = false;

  /** `commands`: the index of the queue of commands. */
  constructor(
    protected readonly host: GuestHost,
    private readonly commands: number,
  ) {}

  /** A state for a guest that begins. */
  protected abstract newState(start: DeviceStart): S;

  /** The answer to a command of which only the beginning is here, since it is too long. */
  protected abstract refuse(beginning: Uint8Array): Uint8Array;

  /** The device has met a guest whose state it does not know. */
  protected abstract metLate(state: S): void;

  /** The device runs, or the other queue was kicked: brings what can be brought. */
  protected abstract deliver(): void;

  start(start: DeviceStart): void {
    this.state ??= this.newState(start);
    this.running = start;
    this.guarded(() => {
      for (const { chain, answer } of this.#answers.splice(0)) this.#commandQueue(start).complete(chain, answer);
    });
    if (start.since === 'unknown') this.metLate(this.state);
    this.deliver();
    this.handleCommands();
  }

  stop(): void {
    if (this.running === undefined) return;
    clearImmediate(this.#turn);
    this.#turn = undefined;
    this.#signalNow();
    this.running = undefined;
  }

  reset(): void {
    this.stop();
    this.state?.close();
    this.state = undefined;
    this.#answers = [];
    this.#faulted = false;
  }

  kicked(index: number): void {
    this.notifications.kicks++;
    if (index === this.commands) this.handleCommands();
    else this.deliver();
  }

  protected handleCommands(): void {
    // A turn that is due, or under way, takes what has come meanwhile.
    if (this.#turn !== undefined || this.#handling) return;
    this.#handling = true;
    try {
      this.guarded((running, state) => this.#handleSome(this.#commandQueue(running), state));
    } finally {
      this.#handling = false;
    }
  }

  /** Runs what touches the rings, while the device runs; what the driver did wrong ends that. */
  protected guarded(work: (running: DeviceStart, state: S) => void): void {
    if (this.running === undefined || this.state === undefined || this.#faulted) return;
    try {
      work(this.running, this.state);
    } catch (error) {
      if (!(error instanceof GuestFault)) throw error;
      this.#faulted = true;
      // Others shall not wait for a guest that is not served any more.
      this.state.close();
      this.running.faulted(error);
    }
    this.signalSoon();
  }

  /** Once for all that this turn of the event loop completes. */
  protected signalSoon(): void {
    if (this.#signalling) return;
    this.#signalling = true;
    queueMicrotask(() => this.#signalNow());
  }

  #commandQueue({ queues }: DeviceStart): Virtqueue {
    return queues[this.commands]!.queue;
  }

  #handleSome(queue: Virtqueue, state: S): void {
    for (let count = 0; count < COMMANDS_PER_TURN; count++) {
      if (state.busy) return;
      const chain = queue.pop();
      if (chain !== undefined) this.#handle(queue, chain, state);
      else if (!queue.enableNotifications()) return;
    }
    queue.disableNotifications();
    this.#turn = setImmediate(() => {
      this.#turn = undefined;
      this.handleCommands();
    });
  }

  #handle(queue: Virtqueue, chain: Chain, state: S): void {
    const command = commandBuffer.subarray(0, queue.read(chain, commandBuffer));
    if (chain.readableBytes > MAX_COMMAND_BYTES) {
      this.host.log(`a command of ${chain.readableBytes} bytes; the most is ${MAX_COMMAND_BYTES}`);
      this.#answer(chain, this.refuse(command), state);
      return;
    }
    state.handle(command, answer => this.#answer(chain, answer, state));
  }

  #answer(chain: Chain, answer: Uint8Array, state: S): void {
    // A state that is gone answers nobody: the chain was a former driver's.
    if (state !== this.state) return;
    if (this.running === undefined) {
      this.#answers.push({ chain, answer });
      return;
    }
    this.guarded(running => this.#commandQueue(running).complete(chain, answer));
    this.signalSoon();
  }

  #signalNow(): void {
    this.#signalling = false;
    if (this.running === undefined) return;
    for (const { queue, signal } of this.running.queues) {
      if (!queue.signal()) continue;
      signal();
      this.notifications.interrupts++;
    }
  }
}
