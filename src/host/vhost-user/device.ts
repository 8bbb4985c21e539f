/**
 * What a device is to the vhost-user back-end: the back-end offers its features and queues to a front-end, keeps its
 * queues and shared memory, and starts and stops it. It knows nothing else of it, and a device knows nothing of
 * vhost-user's messages.
 *
 * One device serves one front-end.
 */
import type { GuestMemory } from './guest-memory.js';
import type { SharedMemory } from './shared-memory.js';
import type { Virtqueue } from './virtqueue.js';

/** A queue that runs, and how to signal the driver. */
export interface RunningQueue {
  readonly queue: Virtqueue;
  readonly signal: () => void;
}

/** With what a device is started. */
export interface DeviceStart {
  /** All of the device's queues, by index. They stay the back-end's, which closes them after `stop()`. */
  readonly queues: readonly RunningQueue[];
  /** The guest's memory, for devices that are told addresses outside of their queues' chains. The back-end's. */
  readonly memory: Pick<GuestMemory, 'segments'>;
  /** Feature bits that were negotiated, the device's and virtio's. */
  readonly features: bigint;
  /**
   * `stopped`: the driver goes on where it was. `new`: it begins anew. `unknown`: it goes on, and was there before this
   * device, which so does not know what the driver knows. Before all but `stopped`, the device has been reset.
   */
  readonly since: 'stopped' | 'new' | 'unknown';
  /** To be told when the driver did what no driver may: the device then stands still until it is reset. */
  readonly faulted: (error: Error) => void;
}

export interface VhostUserDevice {
  /** The feature bits of its kind that it offers; those of virtio itself are the back-end's to offer. */
  readonly features: bigint;
  /** Its queues: for each the most descriptors that a front-end may give it. */
  readonly queueSizes: readonly number[];
  /** Its configuration space, as it always reads; what the guest writes there is dropped. Default: it has none. */
  readonly configuration?: Uint8Array;
  /** What it shows to the guest of the host's memory, by virtio's id (shmid). Often none, or one. */
  readonly sharedMemory: readonly (SharedMemory | undefined)[];
  /** All queues run. */
  start(start: DeviceStart): void;
  /**
   * The driver, or the VMM, has stopped the queues: perhaps only to pause the VM. What the guest has stays. The queues'
   * `nextAvailable` is where to go on afterwards.
   */
  stop(): void;
  /** Forgets everything that the guest has. Only while it is stopped. Idempotent. */
  reset(): void;
  /** The driver has added to a queue. */
  kicked(queue: number): void;
}
