/**
 * The queues of one front-end: handles the requests that set them up, and runs the device while all of them are started and
 * enabled.
 *
 * When queues start, the device must know whether the guest goes on or begins anew, and no message says so. A VMM that
 * only paused starts the queues where they were stopped. A driver that was reset starts at 0. And queues that start
 * elsewhere are those of a guest that was there before this process was.
 */
import type { Level } from '../../observe/level.js';
import type { OwnedFd } from '../../system/fd.js';
import type { RunningQueue, VhostUserDevice } from './device.js';
import { GuestFault, type GuestMemory } from './guest-memory.js';
import { takeEventFd } from './message-fds.js';
import {
  decodeVringAddress,
  decodeVringFd,
  decodeVringState,
  encodeVringState,
  FEATURE_EVENT_IDX,
  FEATURE_INDIRECT_DESC,
  FEATURE_PROTOCOL_FEATURES,
  FrontEnd,
} from './message.js';
import { Virtqueue } from './virtqueue.js';
import { Vring } from './vring.js';

export class DeviceQueues {
  /** Feature bits that were negotiated. */
  features = 0n;
  readonly #vrings: readonly Vring[];
  /** The device has run on this connection, so what it knows of the guest is all there is. */
  #hasRun = false;
  #closed = false;

  /** `kicked` is called after the device was. */
  constructor(
    private readonly device: VhostUserDevice,
    private readonly memory: GuestMemory,
    private readonly log: (line: string, level?: Level) => void,
    private readonly kicked: () => void,
  ) {
    this.#vrings = device.queueSizes.map(() => new Vring());
  }

  /** Whether the device runs. */
  get running(): boolean {
    return this.#vrings.every(({ running }) => running !== undefined);
  }

  /** Whether the front-end took the memory of a queue away. */
  get faulted(): boolean {
    return this.#vrings.some(({ running }) => running?.queue.faulted);
  }

  /** Handles a request about one queue. As `VhostUserBackend`'s: what is left in `fds` is closed by the caller. */
  handle(request: number, payload: Uint8Array, fds: OwnedFd[]): Uint8Array | undefined {
    switch (request) {
      case FrontEnd.SetVringNum: {
        const { index, number } = decodeVringState(payload);
        this.#vring(index).size = number;
        return undefined;
      }
      case FrontEnd.SetVringAddr: {
        const address = decodeVringAddress(payload);
        this.#vring(address.index).address = address;
        return undefined;
      }
      case FrontEnd.SetVringBase: {
        const { index, number } = decodeVringState(payload);
        this.#vring(index).base = number & 0xffff;
        return undefined;
      }
      case FrontEnd.GetVringBase: {
        const { index } = decodeVringState(payload);
        const vring = this.#vring(index);
        this.#halt();
        vring.started = false;
        vring.dropKick();
        return encodeVringState({ index, number: vring.base });
      }
      case FrontEnd.SetVringKick: {
        const { index, absent } = decodeVringFd(payload);
        const vring = this.#vring(index);
        if (absent) throw new GuestFault('a queue without a kick, which would have to be polled all the time');
        vring.setKick(takeEventFd(fds), () => {
          this.device.kicked(index);
          this.kicked();
        });
        this.#runWith(vring, 'started');
        return undefined;
      }
      case FrontEnd.SetVringCall:
      case FrontEnd.SetVringErr: {
        const { index, absent } = decodeVringFd(payload);
        const vring = this.#vring(index);
        const fd = absent ? undefined : takeEventFd(fds);
        if (request === FrontEnd.SetVringCall) vring.setCall(fd);
        else vring.setError(fd);
        return undefined;
      }
      case FrontEnd.SetVringEnable: {
        const { index, number } = decodeVringState(payload);
        const vring = this.#vring(index);
        if (number !== 0) this.#runWith(vring, 'enabled');
        else {
          vring.enabled = false;
          this.#halt();
        }
        return undefined;
      }
      default:
        throw new GuestFault('it is unknown here');
    }
  }

  /** Stops the device and forgets what the guest had, and where its queues were. */
  reset(): void {
    this.#halt();
    this.#forget();
    for (const vring of this.#vrings) vring.reset();
  }

  /** Stops the device and releases everything. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#halt();
    this.#forget();
    for (const memory of this.device.sharedMemory) memory?.close();
    for (const vring of this.#vrings) vring.close();
  }

  #vring(index: number): Vring {
    const vring = this.#vrings[index];
    if (vring === undefined) throw new GuestFault(`there is no queue ${index}`);
    return vring;
  }

  /**
   * Starts the device when this was missing. Where that is refused, it was not done: QEMU does not stop a queue that it could
   * not start, and a bad place of one queue's would then be the end of each other's start.
   */
  #runWith(vring: Vring, what: 'started' | 'enabled'): void {
    const before = vring[what];
    vring[what] = true;
    try {
      this.#run();
    } catch (error) {
      vring[what] = before;
      throw error;
    }
  }

  /** Starts the device when all is there. */
  #run(): void {
    if (this.running || this.#closed) return;
    // Without protocol features, a queue that is started is enabled.
    const negotiated = (this.features & (1n << BigInt(FEATURE_PROTOCOL_FEATURES))) !== 0n;
    const vrings = this.#vrings;
    if (!vrings.every(vring => vring.started && (vring.enabled || !negotiated))) return;
    const queues = this.#openAll();
    vrings.forEach((vring, index) => (vring.running = queues[index]));
    const zero = vrings.every(vring => vring.base === 0);
    const goesOn = vrings.every(vring => vring.stoppedAt === vring.base);
    const since = zero ? 'new' : goesOn ? 'stopped' : 'unknown';
    if (since !== 'stopped') this.#forget();
    for (const memory of this.device.sharedMemory) memory?.run(true);
    if (!this.#hasRun) this.log('the guest’s driver runs', 'info');
    this.#hasRun = true;
    const { memory, features } = this;
    this.device.start({ queues, memory, features, since, faulted: error => this.#driverFaulted(error) });
  }

  #openAll(): RunningQueue[] {
    const opened: RunningQueue[] = [];
    try {
      for (const [index, vring] of this.#vrings.entries()) opened.push(this.#open(vring, index));
      return opened;
    } catch (error) {
      for (const { queue } of opened) queue.close();
      throw error;
    }
  }

  #open(vring: Vring, index: number): RunningQueue {
    if (vring.address === undefined) throw new GuestFault('a queue was started that has no place');
    const most = this.device.queueSizes[index]!;
    if (vring.size > most) throw new GuestFault(`a queue of ${vring.size} descriptors; the device takes ${most}`);
    const has = (bit: number): boolean => (this.features & (1n << BigInt(bit))) !== 0n;
    const queue = new Virtqueue(
      this.memory,
      { size: vring.size, ...vring.address },
      { indirect: has(FEATURE_INDIRECT_DESC), eventIndex: has(FEATURE_EVENT_IDX) },
      vring.base,
    );
    return { queue, signal: () => vring.signal() };
  }

  /** Forgets what the guest had. The device must not run. */
  #forget(): void {
    this.device.reset();
    for (const memory of this.device.sharedMemory) memory?.abandon();
  }

  /** Stops the device where it runs, and notes where to go on. */
  #halt(): void {
    if (!this.running) return;
    this.device.stop();
    for (const memory of this.device.sharedMemory) memory?.run(false);
    for (const vring of this.#vrings) vring.halt();
  }

  #driverFaulted(error: Error): void {
    this.log(`the device stands still until the guest resets it: the driver has offered ${error.message}`);
    for (const vring of this.#vrings) vring.signalError();
  }
}
