/**
 * The gpu device between its queues and its state: a virtio-gpu without a screen, of which only the way to the host's
 * servers is there (cross-domain). Commands come out of the control queue (`../guest/device.ts`); on the cursor queue there
 * is nothing to do, and what comes there is given back.
 */
import { GuestDevice } from '../guest/device.js';
import type { GuestLimits } from '../guest/limits.js';
import type { GuestHost } from '../guest/resources.js';
import type { DeviceStart } from '../vhost-user/device.js';
import { MappingSlots, SharedMemory } from '../vhost-user/shared-memory.js';
import { POLLED_SHARE } from './limits.js';
import { GpuState, type GpuCounts } from './state.js';
import {
  CONFIGURATION,
  encodeResponse,
  FEATURE_CONTEXT_INIT,
  FEATURE_RESOURCE_BLOB,
  FEATURE_VIRGL,
  HOST_VISIBLE_BYTES,
  Response,
} from './wire.js';

/** Queues by index. */
export const CONTROL_QUEUE = 0;
export const CURSOR_QUEUE = 1;

/** The device's own feature bits. */
export const DEVICE_FEATURES = [FEATURE_VIRGL, FEATURE_RESOURCE_BLOB, FEATURE_CONTEXT_INIT].reduce(
  (all, bit) => all | (1n << BigInt(bit)),
  0n,
);

const NOTHING = new Uint8Array(0);

export class GpuDevice extends GuestDevice<GpuState> {
  readonly features = DEVICE_FEATURES;
  readonly configuration = CONFIGURATION;
  /** By id: 0 is not there, 1 is the host-visible memory. */
  readonly sharedMemory: readonly (SharedMemory | undefined)[];
  readonly #memory: SharedMemory;
  #turn: NodeJS.Immediate | undefined;

  /** `slots`: the VM's. Default: the device has them for itself. */
  constructor(
    host: GuestHost,
    private readonly limits: GuestLimits,
    slots = new MappingSlots(limits.mappings),
  ) {
    super(host, CONTROL_QUEUE);
    this.#memory = new SharedMemory(HOST_VISIBLE_BYTES, slots, line => host.log(line));
    this.sharedMemory = [undefined, this.#memory];
  }

  /** What the guest has. */
  get counts(): GpuCounts & { readonly mappings: number } {
    const none = { contexts: 0, resources: 0, connections: 0, pipes: 0, polls: 0, queuedBytes: 0, receivedBytes: 0 };
    return { ...(this.state?.counts ?? none), mappings: this.#memory.mappings };
  }

  override stop(): void {
    clearImmediate(this.#turn);
    this.#turn = undefined;
    super.stop();
  }

  protected override newState({ queues }: DeviceStart): GpuState {
    return new GpuState(this.host, {
      limits: this.limits,
      sharedMemory: this.#memory,
      memory: () => this.running?.memory,
      pollLimit: Math.max(1, Math.floor(queues[CONTROL_QUEUE]!.queue.size * POLLED_SHARE)),
      ready: () => this.handleCommands(),
    });
  }

  protected override refuse(beginning: Uint8Array): Uint8Array {
    return encodeResponse(beginning, Response.InvalidParameter);
  }

  protected override metLate(): void {
    this.host.log('the guest was there before this process was: its contexts are gone, and it has to be restarted');
  }

  protected override deliver(): void {
    this.guarded(({ queues }, state) => {
      state.deliver();
      const { queue } = queues[CURSOR_QUEUE]!;
      // A driver may add to it all the time: others have their turn.
      for (let count = 0; count < queue.size; count++) {
        const chain = queue.pop();
        if (chain !== undefined) queue.complete(chain, NOTHING);
        else if (!queue.enableNotifications()) return;
      }
      this.#turn ??= setImmediate(() => {
        this.#turn = undefined;
        this.deliver();
      });
    });
  }
}
