/**
 * The back-end of one front-end: answers its vhost-user requests, keeps the guest's memory and the queues' places, and
 * runs the device while both queues are started and enabled. When the connection ends, everything that the guest had
 * ends with it.
 *
 * The front-end is a VMM that a guest may have taken over, so its messages are checked like a guest's. One that makes no
 * sense is refused where the front-end asked for an answer, and ends the connection where it did not.
 *
 * When queues start, the device must know whether the guest goes on or begins anew, and no message says so. A VMM that
 * only paused starts the queues where they were stopped. A driver that was reset starts at 0. And queues that start
 * elsewhere are those of a guest that was there before this process was.
 */
import { closeAll, OwnedFd } from '../../system/fd.js';
import { native } from '../../system/native.js';
import { BackendRequests } from './backend-requests.js';
import { VhostUserConnection } from './connection.js';
import {
  DEVICE_FEATURES,
  IN_QUEUE,
  OUT_QUEUE,
  QUEUES,
  WlDevice,
  type DeviceHost,
  type RunningQueue,
} from '../wl-device/device.js';
import { GuestFault, GuestMemory, MAX_REGIONS } from './guest-memory.js';
import type { WlLimits } from '../wl-device/limits.js';
import {
  decodeMemRegion,
  decodeMemTable,
  decodeU64,
  decodeVringAddress,
  decodeVringFd,
  decodeVringState,
  encodeMessage,
  encodeShmemConfig,
  encodeU64,
  encodeVringState,
  FEATURE_EVENT_IDX,
  FEATURE_INDIRECT_DESC,
  FEATURE_PROTOCOL_FEATURES,
  FEATURE_VERSION_1,
  FLAG_NEED_REPLY,
  FLAG_REPLY,
  FrontEnd,
  PAYLOAD_BYTES,
  ProtocolFeature,
  VERSION,
  VERSION_MASK,
  type Header,
} from './message.js';
import { SharedRegion } from '../wl-device/shared-region.js';
import { Virtqueue } from './virtqueue.js';
import { addCount, Vring } from './vring.js';
import { REGION_BYTES } from '../wl-device/wire.js';

const bit = (number: number): bigint => 1n << BigInt(number);

/** Virtio features that are offered. */
export const FEATURES =
  DEVICE_FEATURES |
  [FEATURE_PROTOCOL_FEATURES, FEATURE_INDIRECT_DESC, FEATURE_EVENT_IDX, FEATURE_VERSION_1].reduce(
    (all, each) => all | bit(each),
    0n,
  );

/** vhost-user features that are offered. */
export const PROTOCOL_FEATURES = Object.values(ProtocolFeature).reduce((all, each) => all | bit(each), 0n);

export interface BackendOptions {
  readonly limits: WlLimits;
  /** Where connections and memory come from. */
  readonly host: Pick<DeviceHost, 'connect' | 'allocate' | 'log'>;
  /** The connection has ended and everything is released. Once. */
  readonly ended: () => void;
}

export class VhostUserBackend {
  readonly #connection: VhostUserConnection;
  readonly #memory = new GuestMemory();
  readonly #vrings = Array.from({ length: QUEUES }, () => new Vring());
  readonly #region: SharedRegion;
  readonly #device: WlDevice;
  #requests: BackendRequests | undefined;
  #features = 0n;
  #protocolFeatures = 0n;
  /** The device has run on this connection, so what it knows of the guest is all there is. */
  #hasRun = false;
  #closed = false;

  /** Takes ownership of the front-end's socket, also when it throws. */
  constructor(
    socket: OwnedFd,
    private readonly options: BackendOptions,
  ) {
    const { host, limits } = options;
    const log = (line: string): void => host.log(line);
    this.#region = new SharedRegion(limits.mappings, () => this.#requests, log);
    this.#device = new WlDevice(
      {
        connect: name => host.connect(name),
        allocate: bytes => host.allocate(bytes),
        map: (memory, bytes, writable) => this.#region.map(memory, bytes, writable),
        unmap: offset => this.#region.unmap(offset),
        log,
        faulted: error => this.#faulted(error),
      },
      limits,
    );
    this.#connection = new VhostUserConnection(socket, {
      message: (header, payload, fds) => this.#message(header, payload, fds),
      ended: error => {
        log(error === undefined ? 'the front-end is gone' : `the front-end was left: ${error.message}`);
        this.close();
      },
    });
  }

  /** What the guest has, and how many pieces of memory are mapped into it. */
  get counts(): {
    vfds: number;
    connections: number;
    pipes: number;
    queuedBytes: number;
    receivedBytes: number;
    mappings: number;
  } {
    const none = { vfds: 0, connections: 0, pipes: 0, queuedBytes: 0, receivedBytes: 0 };
    return { ...(this.#device.counts ?? none), mappings: this.#region.mappings };
  }

  /** Releases everything. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.close();
    this.#halt();
    this.#reset();
    this.#requests?.close();
    for (const vring of this.#vrings) vring.close();
    this.#memory.clear();
    this.options.ended();
  }

  // ---- messages ----------------------------------------------------------------------------------------------------

  #message(header: Header, payload: Uint8Array, fds: OwnedFd[]): void {
    const { request, flags } = header;
    const wantsReply = (flags & FLAG_NEED_REPLY) !== 0 && this.#has(ProtocolFeature.ReplyAck);
    try {
      if ((flags & VERSION_MASK) !== VERSION) throw new Error(`vhost-user version ${flags & VERSION_MASK}`);
      const size = PAYLOAD_BYTES.get(request as FrontEnd);
      if (size !== undefined && payload.length !== size)
        throw new GuestFault(`it has ${payload.length} bytes and not ${size}`);
      const reply = this.#request(request, payload, fds, wantsReply);
      if (reply !== undefined) this.#connection.send(encodeMessage(request, VERSION | FLAG_REPLY, reply));
      else if (wantsReply) this.#connection.send(encodeMessage(request, VERSION | FLAG_REPLY, encodeU64(0n)));
    } catch (error) {
      const why = new Error(`vhost-user request ${request} was refused: ${(error as Error).message}`, { cause: error });
      if (!wantsReply || !(error instanceof GuestFault)) throw why;
      this.options.host.log(why.message);
      this.#connection.send(encodeMessage(request, VERSION | FLAG_REPLY, encodeU64(1n)));
    } finally {
      closeAll(fds);
    }
  }

  /** What is left in `fds` is closed by the caller. Returns the payload of the reply, where the request has one. */
  #request(request: number, payload: Uint8Array, fds: OwnedFd[], wantsReply: boolean): Uint8Array | undefined {
    switch (request) {
      case FrontEnd.GetFeatures:
        return encodeU64(FEATURES);
      case FrontEnd.SetFeatures:
        this.#features = subset(decodeU64(payload), FEATURES, 'features');
        return undefined;
      case FrontEnd.GetProtocolFeatures:
        return encodeU64(PROTOCOL_FEATURES);
      case FrontEnd.SetProtocolFeatures:
        this.#protocolFeatures = subset(decodeU64(payload), PROTOCOL_FEATURES, 'protocol features');
        return undefined;
      case FrontEnd.GetQueueNum:
        return encodeU64(BigInt(QUEUES));
      case FrontEnd.GetMaxMemSlots:
        return encodeU64(BigInt(MAX_REGIONS));
      case FrontEnd.GetShmemConfig:
        return encodeShmemConfig([REGION_BYTES]);
      case FrontEnd.SetOwner:
        return undefined;
      case FrontEnd.ResetOwner:
      case FrontEnd.ResetDevice:
        this.#halt();
        this.#reset();
        for (const vring of this.#vrings) vring.reset();
        return undefined;
      case FrontEnd.SetMemTable:
        this.#setMemTable(payload, fds);
        return undefined;
      case FrontEnd.AddMemReg: {
        const region = decodeMemRegion(payload);
        const fd = takeFd(fds);
        if (wantsReply && this.#isShown(fd)) {
          fd.close();
          return encodeU64(1n);
        }
        this.#memory.add(region, fd);
        return undefined;
      }
      case FrontEnd.RemMemReg:
        this.#memory.remove(decodeMemRegion(payload));
        return undefined;
      case FrontEnd.SetBackendReqFd:
        this.#requests?.close();
        this.#requests = new BackendRequests(takeFd(fds), {
          inParts: this.#has(ProtocolFeature.ResetDevice),
          running: () => this.#connection.catchUp() && this.#running,
          broken: error => this.#lost(error),
        });
        return undefined;
      default:
        return this.#vringRequest(request, payload, fds);
    }
  }

  #vringRequest(request: number, payload: Uint8Array, fds: OwnedFd[]): Uint8Array | undefined {
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
        if (absent) throw new GuestFault('a queue without a kick, which would have to be looked at all the time');
        vring.setKick(takeEventFd(fds), () => this.#kicked(index));
        vring.started = true;
        this.#run();
        return undefined;
      }
      case FrontEnd.SetVringCall:
      case FrontEnd.SetVringErr: {
        const { index, absent } = decodeVringFd(payload);
        const vring = this.#vring(index);
        const fd = absent ? undefined : takeEventFd(fds);
        if (request === FrontEnd.SetVringCall) {
          vring.call?.close();
          vring.call = fd;
        } else {
          vring.error?.close();
          vring.error = fd;
        }
        return undefined;
      }
      case FrontEnd.SetVringEnable: {
        const { index, number } = decodeVringState(payload);
        this.#vring(index).enabled = number !== 0;
        if (number === 0) this.#halt();
        else this.#run();
        return undefined;
      }
      default:
        throw new GuestFault('it is unknown here');
    }
  }

  /**
   * Whether this is memory that was mapped into the shared memory region while the device runs. QEMU tells of each such
   * mapping as it does of guest memory. It is none, and remembering it would be the end of QEMU: after a reset, which
   * undoes the mappings, QEMU wants to take back what it had told, looks for the memory, and crashes. What was refused
   * it does not take back. A device that is just being started after a pause has to accept it, or QEMU gives up on it.
   */
  #isShown(fd: OwnedFd): boolean {
    return this.#running && this.#region.shows(fd);
  }

  get #running(): boolean {
    return this.#vrings[IN_QUEUE]!.running !== undefined;
  }

  #has(feature: number): boolean {
    return (this.#protocolFeatures & bit(feature)) !== 0n;
  }

  #vring(index: number): Vring {
    const vring = this.#vrings[index];
    if (vring === undefined) throw new GuestFault(`there is no queue ${index}`);
    return vring;
  }

  #setMemTable(payload: Uint8Array, fds: OwnedFd[]): void {
    const regions = decodeMemTable(payload);
    if (fds.length !== regions.length)
      throw new GuestFault(`${regions.length} memory regions with ${fds.length} descriptors`);
    this.#memory.clear();
    for (const region of regions) this.#memory.add(region, fds.shift()!);
  }

  // ---- queues --------------------------------------------------------------------------------------------------------

  /** Starts the device when all is there. */
  #run(): void {
    const [inRing, outRing] = [this.#vrings[IN_QUEUE]!, this.#vrings[OUT_QUEUE]!];
    if (this.#running || this.#closed) return;
    // Without protocol features, a queue that is started is enabled.
    const negotiated = (this.#features & bit(FEATURE_PROTOCOL_FEATURES)) !== 0n;
    if (![inRing, outRing].every(vring => vring.started && (vring.enabled || !negotiated))) return;
    inRing.running = this.#open(inRing);
    try {
      outRing.running = this.#open(outRing);
    } catch (error) {
      inRing.running.queue.close();
      inRing.running = undefined;
      throw error;
    }
    const zero = inRing.base === 0 && outRing.base === 0;
    const goesOn = [inRing, outRing].every(vring => vring.stoppedAt === vring.base);
    const since = zero ? 'new' : goesOn ? 'stopped' : 'unknown';
    if (since !== 'stopped') this.#reset();
    this.#region.run(true);
    if (!this.#hasRun) this.options.host.log('the guest’s driver runs');
    this.#hasRun = true;
    this.#device.start({ in: inRing.running, out: outRing.running, features: this.#features, since });
  }

  #open(vring: Vring): RunningQueue {
    if (vring.address === undefined) throw new GuestFault('a queue was started that has no place');
    const queue = new Virtqueue(
      this.#memory,
      { size: vring.size, ...vring.address },
      {
        indirect: (this.#features & bit(FEATURE_INDIRECT_DESC)) !== 0n,
        eventIndex: (this.#features & bit(FEATURE_EVENT_IDX)) !== 0n,
      },
      vring.base,
    );
    return { queue, signal: () => addCount(vring.call) };
  }

  /** Forgets what the guest had. The device must not run. */
  #reset(): void {
    this.#device.reset();
    this.#region.abandon();
  }

  /** Stops the device where it runs, and notes where to go on. */
  #halt(): void {
    if (!this.#running) return;
    this.#device.stop();
    this.#region.run(false);
    for (const vring of this.#vrings) {
      vring.base = vring.running!.queue.nextAvailable;
      vring.stoppedAt = vring.base;
      vring.running!.queue.close();
      vring.running = undefined;
    }
  }

  #kicked(index: number): void {
    this.#device.kicked(index);
    const faulted = this.#memory.faulted || this.#vrings.some(({ running }) => running?.queue.faulted);
    if (faulted) this.#lost(new Error('it took away memory that it had shared'));
  }

  #faulted(error: Error): void {
    this.options.host.log(`the device stands still until the guest resets it: the driver has offered ${error.message}`);
    for (const vring of this.#vrings) addCount(vring.error);
  }

  /** Gives the front-end up, not within whatever is going on. */
  #lost(error: Error): void {
    setImmediate(() => {
      if (this.#closed) return;
      this.options.host.log(`the front-end was left: ${error.message}`);
      this.close();
    });
  }
}

function subset(wanted: bigint, offered: bigint, what: string): bigint {
  if ((wanted & ~offered) !== 0n)
    throw new GuestFault(`${what} 0x${(wanted & ~offered).toString(16)} were not offered`);
  return wanted;
}

/** The first descriptor of a message that must have one; the caller's. */
function takeFd(fds: OwnedFd[]): OwnedFd {
  const fd = fds.shift();
  if (fd === undefined) throw new GuestFault('it came without a descriptor');
  return fd;
}

/** As {@link takeFd}, of what can be waited for and written to without end: an eventfd. */
function takeEventFd(fds: OwnedFd[]): OwnedFd {
  const fd = takeFd(fds);
  try {
    if (fd.info().type !== 'other') throw new GuestFault('it came with a descriptor that is no eventfd');
    native.setNonblocking(fd.fd);
    return fd;
  } catch (error) {
    fd.close();
    throw error;
  }
}
