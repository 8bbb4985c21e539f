/**
 * A wl device that lies. It is honest enough that QEMU and the guest's driver take it for one: vhost-user, two queues,
 * contexts that echo, memory with nothing behind it. Whatever it answers and says can be replaced, down to what it writes
 * into the used rings.
 */
import { closeAll, OwnedFd } from '../../src/system/fd.js';
import { native, POLL_READABLE, type Mapping, type Poll } from '../../src/system/native.js';
import { AcceptingSocket } from '../../src/system/accepting-socket.js';
import { VhostUserConnection } from '../../src/host/vhost-user/connection.js';
import { DEVICE_FEATURES, IN_QUEUE, OUT_QUEUE } from '../../src/host/wl-device/device.js';
import { GuestMemory, MAX_MEMORY_SLOTS } from '../../src/host/vhost-user/guest-memory.js';
import {
  decodeMemSlot,
  decodeMemTable,
  decodeVringAddress,
  decodeVringFd,
  decodeVringState,
  encodeMessage,
  encodeShmemConfig,
  encodeU64,
  encodeVringState,
  FEATURE_INDIRECT_DESC,
  FEATURE_PROTOCOL_FEATURES,
  FEATURE_VERSION_1,
  FLAG_NEED_REPLY,
  FLAG_REPLY,
  FrontEnd,
  ProtocolFeature,
  VERSION,
  type Header,
  type VringAddress,
} from '../../src/host/vhost-user/message.js';
import { Virtqueue, type Chain } from '../../src/host/vhost-user/virtqueue.js';
import {
  Command,
  encodeRecv,
  encodeResponse,
  encodeVfdNewResponse,
  PFN_BYTES,
  Response,
} from '../../src/host/wl-device/wire.js';

const bits = (numbers: readonly number[]): bigint => numbers.reduce((all, bit) => all | (1n << BigInt(bit)), 0n);
// No event index: the driver then notifies of everything, and is always notified.
const FEATURES = DEVICE_FEATURES | bits([FEATURE_PROTOCOL_FEATURES, FEATURE_INDIRECT_DESC, FEATURE_VERSION_1]);

/** Its shared memory: too large for what is free below 4 GiB, and mapped sooner than 4 GiB are by a kernel with KASAN. */
export const LIAR_MEMORY_BYTES = 2 ** 30;

/** What the driver asked. */
export interface Asked {
  readonly type: number;
  readonly id: number;
  /** `size` of a NEW. */
  readonly size: number;
  readonly data: Uint8Array;
  /** Its place in the queue, as the used ring names it. */
  readonly head: number;
}

export interface Told {
  readonly bytes: Uint8Array;
  /** What the used ring says of its length, where that is a lie. */
  readonly length?: number;
}

class LyingQueue {
  size = 0;
  base = 0;
  address: VringAddress | undefined;
  call: OwnedFd | undefined;
  kick: OwnedFd | undefined;
  poll: Poll | undefined;
  queue: Virtqueue | undefined;
  #used: { mapping: Mapping; at: number; view: DataView } | undefined;
  nextUsed = 0;

  start(memory: GuestMemory): void {
    const { size, address } = this;
    this.queue = new Virtqueue(memory, { size, ...address! }, { indirect: true, eventIndex: false }, this.base);
    const length = 6 + 8 * size;
    const { mapping, at } = memory.mapFrontEnd(address!.used, length);
    this.#used = { mapping, at, view: new DataView(mapping.buffer, at, length) };
    this.nextUsed = this.#used.view.getUint16(2, true);
  }

  /** Writes an element of the used ring, true or not, and tells the driver. */
  use(head: number, length: number): void {
    const element = 4 + 8 * (this.nextUsed % this.size);
    this.#used!.view.setUint32(element, head, true);
    this.#used!.view.setUint32(element + 4, length, true);
    this.index(this.nextUsed + 1);
  }

  /** Says that the used ring goes up to here. */
  index(next: number): void {
    this.nextUsed = next & 0xffff;
    native.storeRelease16(this.#used!.mapping, this.#used!.at + 2, this.nextUsed);
    const one = new Uint8Array(128);
    one[0] = 1;
    if (this.call !== undefined) native.write(this.call.fd, one, 0, 8);
  }

  stop(): void {
    this.poll?.close();
    this.kick?.close();
    this.poll = this.kick = undefined;
    this.base = this.queue?.nextAvailable ?? this.base;
    this.queue?.close();
    this.#used?.mapping.unmap();
    this.queue = this.#used = undefined;
  }
}

export class LyingDevice {
  /** The answer, where it is not the honest one. 'none': there is none. Called before what goes along with it. */
  answer: (asked: Asked) => Told | 'none' | undefined = () => undefined;
  /** Whether honest answers are those of crosvm's device, which says less: {@link terse}. */
  terse = false;
  /** Said before a context's echo. */
  before: (asked: Asked) => readonly Told[] = () => [];
  readonly #socket: AcceptingSocket;
  readonly #memory = new GuestMemory();
  readonly #queues = [new LyingQueue(), new LyingQueue()];
  #connection: VhostUserConnection | undefined;
  #requests: OwnedFd | undefined;
  #waiting: Told[] = [];

  /** Listens at `path`. */
  constructor(path: string) {
    this.#socket = new AcceptingSocket(
      new OwnedFd(native.listenUnix(path, 1)),
      fd => this.#connected(fd),
      () => {},
    );
  }

  get in(): LyingQueue {
    return this.#queues[IN_QUEUE]!;
  }

  get out(): LyingQueue {
    return this.#queues[OUT_QUEUE]!;
  }

  close(): void {
    this.#socket.close();
    this.#connection?.close();
    this.#connection = undefined;
    for (const queue of this.#queues) {
      queue.stop();
      queue.call?.close();
      queue.call = undefined;
    }
    this.#memory.clear();
    this.#requests?.close();
  }

  /** Puts a message into the next buffer of the driver, when there is one. */
  say(...told: readonly Told[]): void {
    this.#waiting.push(...told);
    this.#flush();
  }

  #connected(fd: OwnedFd): void {
    this.#connection = new VhostUserConnection(fd, {
      message: (header, payload, fds) => this.#message(header, payload, fds),
      ended: () => this.close(),
    });
  }

  #message({ request, flags }: Header, payload: Uint8Array, fds: OwnedFd[]): void {
    try {
      let reply = this.#request(request, payload, fds);
      if (reply === undefined && (flags & FLAG_NEED_REPLY) !== 0) reply = encodeU64(0n);
      if (reply !== undefined) this.#connection!.send(encodeMessage(request, VERSION | FLAG_REPLY, reply));
    } finally {
      closeAll(fds);
    }
  }

  #request(request: number, payload: Uint8Array, fds: OwnedFd[]): Uint8Array | undefined {
    const queue = (index: number): LyingQueue => this.#queues[index]!;
    switch (request) {
      case FrontEnd.GetFeatures:
        return encodeU64(FEATURES);
      case FrontEnd.GetProtocolFeatures:
        return encodeU64(bits(Object.values(ProtocolFeature)));
      case FrontEnd.GetQueueNum:
        return encodeU64(2n);
      case FrontEnd.GetMaxMemSlots:
        return encodeU64(BigInt(MAX_MEMORY_SLOTS));
      case FrontEnd.GetShmemConfig:
        return encodeShmemConfig([LIAR_MEMORY_BYTES]);
      case FrontEnd.SetMemTable:
        this.#memory.clear();
        for (const region of decodeMemTable(payload)) this.#memory.add(region, fds.shift()!);
        return undefined;
      case FrontEnd.AddMemReg:
        this.#memory.add(decodeMemSlot(payload), fds.shift()!);
        return undefined;
      case FrontEnd.RemMemReg:
        this.#memory.remove(decodeMemSlot(payload));
        return undefined;
      case FrontEnd.SetBackendReqFd:
        this.#requests?.close();
        this.#requests = fds.shift();
        return undefined;
      case FrontEnd.SetVringNum:
        queue(decodeVringState(payload).index).size = decodeVringState(payload).number;
        return undefined;
      case FrontEnd.SetVringBase:
        queue(decodeVringState(payload).index).base = decodeVringState(payload).number & 0xffff;
        return undefined;
      case FrontEnd.SetVringAddr:
        queue(decodeVringAddress(payload).index).address = decodeVringAddress(payload);
        return undefined;
      case FrontEnd.SetVringCall: {
        const { index, absent } = decodeVringFd(payload);
        queue(index).call?.close();
        queue(index).call = absent ? undefined : fds.shift();
        return undefined;
      }
      case FrontEnd.SetVringKick:
        this.#kick(queue(decodeVringFd(payload).index), fds.shift()!);
        return undefined;
      case FrontEnd.GetVringBase: {
        const { index } = decodeVringState(payload);
        queue(index).stop();
        this.#waiting = [];
        return encodeVringState({ index, number: queue(index).base });
      }
      default:
        return undefined;
    }
  }

  #kick(queue: LyingQueue, fd: OwnedFd): void {
    queue.stop();
    queue.start(this.#memory);
    native.setNonblocking(fd.fd);
    queue.kick = fd;
    const count = new Uint8Array(128);
    queue.poll = new native.Poll(fd.fd, () => {
      native.read(fd.fd, count);
      if (queue === this.out) this.#handle();
      else this.#flush();
    });
    queue.poll.start(POLL_READABLE);
  }

  #handle(): void {
    for (let chain; (chain = this.out.queue?.pop()) !== undefined;) {
      const command = new Uint8Array(Math.min(chain.readableBytes, 8192));
      this.out.queue!.read(chain, command);
      const view = new DataView(command.buffer);
      const word = (at: number): number => (at + 4 <= command.length ? view.getUint32(at, true) : 0);
      const type = word(0);
      const asked: Asked = { type, id: word(8), size: word(24), data: command.subarray(16), head: chain.head };
      if (type === Command.Send) this.say(...this.before(asked));
      const lie = this.answer(asked);
      if (lie === 'none') continue;
      const told = lie ?? { bytes: this.terse ? terse(asked) : honest(asked) };
      this.#write(chain, told.bytes);
      this.out.use(chain.head, told.length ?? told.bytes.length);
      if (lie === undefined && type === Command.Send) this.say({ bytes: encodeRecv(asked.id, [], asked.data) });
    }
  }

  #flush(): void {
    while (this.#waiting.length > 0) {
      const chain = this.in.queue?.pop();
      if (chain === undefined) return;
      const { bytes, length } = this.#waiting.shift()!;
      this.#write(chain, bytes);
      this.in.use(chain.head, length ?? bytes.length);
    }
  }

  #write(chain: Chain, bytes: Uint8Array): void {
    let at = 0;
    for (const { address, length } of chain.writable) {
      for (const segment of this.#memory.segments(address, Math.min(length, bytes.length - at))) {
        segment.set(bytes.subarray(at, at + segment.length));
        at += segment.length;
      }
    }
  }
}

/** What a device without any server or memory would answer to be believed. */
export function honest({ type, id, size }: Asked): Uint8Array {
  switch (type) {
    case Command.New:
      return encodeVfdNewResponse({ id, flags: 3, offset: id * PFN_BYTES, size });
    case Command.NewCtx:
    case Command.NewCtxNamed:
    case Command.NewPipe:
      return encodeVfdNewResponse({ id, flags: 3 });
    case Command.NewDmabuf:
    case Command.DmabufSync:
      return encodeResponse(Response.InvalidCmd);
    default:
      return encodeResponse(Response.Ok);
  }
}

/** The same as crosvm's device says it: the type alone where nothing is made, and a pipe without its direction. */
export function terse(asked: Asked): Uint8Array {
  if (asked.type === Command.NewPipe) return encodeVfdNewResponse({ id: asked.id, flags: 0 });
  const whole = honest(asked);
  return whole.length === encodeResponse(Response.Ok).length ? whole.subarray(0, 4) : whole;
}
