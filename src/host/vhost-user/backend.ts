/**
 * The back-end of one front-end: answers its vhost-user requests and keeps the guest's memory; queues, and when the device
 * runs, are `queues.ts`'s. When the connection ends, everything that the guest had ends with it.
 *
 * The front-end is a VMM that a guest may have taken over, so its messages are checked like a guest's. One that makes no
 * sense is refused where the front-end asked for an answer, and ends the connection where it did not.
 */
import type { Level } from '../../observe/level.js';
import { closeAll, type OwnedFd } from '../../system/fd.js';
import { BackendRequests } from './backend-requests.js';
import { VhostUserConnection } from './connection.js';
import type { VhostUserDevice } from './device.js';
import { GuestFault, GuestMemory, MAX_MEMORY_SLOTS } from './guest-memory.js';
import { takeFd } from './message-fds.js';
import {
  decodeConfig,
  decodeMemSlot,
  decodeMemTable,
  decodeU64,
  encodeConfig,
  encodeMessage,
  encodeShmemConfig,
  encodeU64,
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
import { DeviceQueues } from './queues.js';

const bits = (numbers: readonly number[]): bigint => numbers.reduce((all, number) => all | (1n << BigInt(number)), 0n);

/** Virtio features that are offered beside the device's own. */
export const BACKEND_FEATURES = bits([
  FEATURE_PROTOCOL_FEATURES,
  FEATURE_INDIRECT_DESC,
  FEATURE_EVENT_IDX,
  FEATURE_VERSION_1,
]);

/** vhost-user features that are offered; CONFIG only where the device has a configuration space. */
export const PROTOCOL_FEATURES = bits(Object.values(ProtocolFeature).filter(bit => bit !== ProtocolFeature.Config));
const CONFIG = bits([ProtocolFeature.Config]);

export interface BackendOptions {
  /** Receives one line an event that the VM caused. */
  readonly log: (line: string, level?: Level) => void;
  /** The connection has ended and everything is released. Once. */
  readonly ended: () => void;
}

export class VhostUserBackend {
  readonly #connection: VhostUserConnection;
  readonly #memory = new GuestMemory();
  readonly #queues: DeviceQueues;
  readonly #offered: bigint;
  readonly #offeredProtocol: bigint;
  #requests: BackendRequests | undefined;
  #protocolFeatures = 0n;
  #closed = false;

  /** Takes ownership of the front-end's socket, also when it throws. The device serves this front-end and no other. */
  constructor(
    socket: OwnedFd,
    private readonly device: VhostUserDevice,
    private readonly options: BackendOptions,
  ) {
    this.#offered = BACKEND_FEATURES | device.features;
    this.#offeredProtocol = PROTOCOL_FEATURES | (device.configuration === undefined ? 0n : CONFIG);
    this.#queues = new DeviceQueues(device, this.#memory, options.log, () => {
      if (this.#memory.faulted || this.#queues.faulted) this.#lost(new Error('it took away memory that it had shared'));
    });
    this.#connection = new VhostUserConnection(socket, {
      message: (header, payload, fds) => this.#message(header, payload, fds),
      ended: error => {
        if (error === undefined) options.log('the front-end is gone', 'info');
        else options.log(`the front-end was left: ${error.message}`);
        this.close();
      },
    });
  }

  /** Releases everything. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.close();
    this.#queues.close();
    this.#requests?.close();
    this.#memory.clear();
    this.options.ended();
  }

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
      this.options.log(why.message);
      this.#connection.send(encodeMessage(request, VERSION | FLAG_REPLY, encodeU64(1n)));
    } finally {
      closeAll(fds);
    }
  }

  /** What is left in `fds` is closed by the caller. Returns the payload of the reply, where the request has one. */
  #request(request: number, payload: Uint8Array, fds: OwnedFd[], wantsReply: boolean): Uint8Array | undefined {
    switch (request) {
      case FrontEnd.GetFeatures:
        return encodeU64(this.#offered);
      case FrontEnd.SetFeatures:
        this.#queues.features = subset(decodeU64(payload), this.#offered, 'features');
        return undefined;
      case FrontEnd.GetProtocolFeatures:
        return encodeU64(this.#offeredProtocol);
      case FrontEnd.SetProtocolFeatures:
        this.#protocolFeatures = subset(decodeU64(payload), this.#offeredProtocol, 'protocol features');
        return undefined;
      case FrontEnd.GetQueueNum:
        return encodeU64(BigInt(this.device.queueSizes.length));
      case FrontEnd.GetMaxMemSlots:
        return encodeU64(BigInt(MAX_MEMORY_SLOTS));
      case FrontEnd.GetShmemConfig:
        return encodeShmemConfig(this.device.sharedMemory.map(memory => memory?.bytes ?? 0));
      case FrontEnd.GetConfig:
        return encodeConfig(payload, this.#configuration());
      case FrontEnd.SetConfig:
        decodeConfig(payload);
        this.#configuration();
        return undefined;
      case FrontEnd.SetOwner:
        return undefined;
      case FrontEnd.ResetOwner:
      case FrontEnd.ResetDevice:
        this.#queues.reset();
        return undefined;
      case FrontEnd.SetMemTable:
        this.#setMemTable(payload, fds);
        return undefined;
      case FrontEnd.AddMemReg: {
        const slot = decodeMemSlot(payload);
        const fd = takeFd(fds);
        if (wantsReply && this.#isShown(fd)) {
          fd.close();
          return encodeU64(1n);
        }
        this.#memory.add(slot, fd);
        return undefined;
      }
      case FrontEnd.RemMemReg:
        this.#memory.remove(decodeMemSlot(payload));
        return undefined;
      case FrontEnd.SetBackendReqFd:
        this.#setRequests(takeFd(fds));
        return undefined;
      default:
        return this.#queues.handle(request, payload, fds);
    }
  }

  #configuration(): Uint8Array {
    const { configuration } = this.device;
    if (configuration === undefined) throw new GuestFault('this device has no configuration space');
    return configuration;
  }

  #has(feature: number): boolean {
    return (this.#protocolFeatures & (1n << BigInt(feature))) !== 0n;
  }

  #setRequests(socket: OwnedFd): void {
    this.#requests?.close();
    const requests = new BackendRequests(socket, {
      inParts: this.#has(ProtocolFeature.ResetDevice),
      running: () => this.#connection.catchUp() && this.#queues.running,
      broken: error => this.#lost(error),
    });
    this.#requests = requests;
    this.device.sharedMemory.forEach((memory, id) => memory?.connect(requests, id));
  }

  /**
   * Whether this is memory that was mapped into the device's shared memory while the device runs. QEMU tells of each such
   * mapping as it does of guest memory. It is none, and remembering it would be the end of QEMU: after a reset, which
   * undoes the mappings, QEMU wants to take back what it had told, looks for the memory, and crashes. What was refused
   * it does not take back. A device that is just being started after a pause has to accept it, or QEMU gives up on it;
   * a guest that stops and starts its device without a reset looks the same, and can end its own QEMU by a reset then.
   */
  #isShown(fd: OwnedFd): boolean {
    return this.#queues.running && this.device.sharedMemory.some(memory => memory?.shows(fd));
  }

  #setMemTable(payload: Uint8Array, fds: OwnedFd[]): void {
    const slots = decodeMemTable(payload);
    if (fds.length !== slots.length)
      throw new GuestFault(`${slots.length} memory slots with ${fds.length} descriptors`);
    this.#memory.clear();
    for (const slot of slots) this.#memory.add(slot, fds.shift()!);
  }

  /** Gives the front-end up, not within whatever is going on. */
  #lost(error: Error): void {
    setImmediate(() => {
      if (this.#closed) return;
      this.options.log(`the front-end was left: ${error.message}`);
      this.close();
    });
  }
}

function subset(wanted: bigint, offered: bigint, what: string): bigint {
  if ((wanted & ~offered) !== 0n)
    throw new GuestFault(`${what} 0x${(wanted & ~offered).toString(16)} were not offered`);
  return wanted;
}
